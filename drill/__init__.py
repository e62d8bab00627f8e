"""Losing a region on purpose: load, fault, what clients saw, and whether the books agree afterwards."""
