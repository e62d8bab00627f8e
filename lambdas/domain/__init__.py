"""Payments without AWS: what a payment is, how it moves, and who may move it."""
