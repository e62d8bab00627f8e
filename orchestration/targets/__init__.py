"""The targets that there are, one module each; orchestration.target imports the one that is chosen."""
