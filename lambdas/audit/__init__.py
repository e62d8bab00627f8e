"""The audit function: the scheduled sweep, and the region's notifications as evidence in its bucket."""
