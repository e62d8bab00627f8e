"""What callers of the payment API may copy."""
