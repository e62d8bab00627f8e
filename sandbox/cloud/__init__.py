"""AWS itself: the emulator in a process of ours, its regions' gates and gateways, and its state on disk."""
