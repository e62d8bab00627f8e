"""A Synthetics canary's script: a client's requests to one region."""
