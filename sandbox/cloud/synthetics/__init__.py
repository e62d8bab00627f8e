"""CloudWatch Synthetics, which the emulator lacks: canaries that are kept, and really run."""
