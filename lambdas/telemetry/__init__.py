"""What the functions tell about themselves: structured logs, and metrics embedded in them."""
