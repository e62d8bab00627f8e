"""What lies between clients and regions: DNS that follows health, and the checkers that find it out."""
