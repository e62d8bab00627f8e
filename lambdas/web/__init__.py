"""HTTP as Lambda sees it: API Gateway and load balancer events in, answers and problem details out."""
