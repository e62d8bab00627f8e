"""What the sandbox adds to the engine's plugins: its AWS and random providers, and where both are installed."""
