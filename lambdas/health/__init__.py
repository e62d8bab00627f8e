"""The health function: GET /health, asked by Route 53's checkers and the load balancer."""
