"""The canary function: a client's requests to this region, and to the other one where asked."""
