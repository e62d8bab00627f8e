//go:build tools

// Package tools pins the Pulumi CLI and all that it is made of: go.sum holds their hashes.
package tools

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
