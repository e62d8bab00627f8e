"""Faults of the sandbox's AWS: what can be broken, what is, and what that means for a request. No process of its own.

The rules here are pure: the cloud, the card processor and whoever else has to know apply them.
"""
