"""What a month of an environment costs, by AWS's list prices, for what its programs declare and a stated load."""
