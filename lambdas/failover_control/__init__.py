"""The failover-control function, in the secondary: throws the stop switch at a failover."""
