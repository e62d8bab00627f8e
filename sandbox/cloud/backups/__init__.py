"""AWS Backup as far as the stacks go: backups of tables that hold their items, copies in other regions, locks."""
