"""AWS itself: the emulator in a process of ours, its regions with their states and gateways, and its state on disk."""
