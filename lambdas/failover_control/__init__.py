"""The failover-control function, in the secondary: serves the stop switch, and latches it at a failover."""
