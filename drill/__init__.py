"""Drills: what is promised about payments and failover, put to the test."""
