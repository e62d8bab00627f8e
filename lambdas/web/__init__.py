"""HTTP as Lambda sees it: API Gateway and load balancer events in, answers and problem details out.

`view` is a payment as its client sees it: more than one function answers with it.
"""
