"""The canary function: a client's requests to both regions, and a look at who belongs to the payments table."""
