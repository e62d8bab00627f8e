"""Declared types of the random provider."""
