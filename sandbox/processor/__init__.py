"""A card processor outside the cloud: what the sandbox's functions reach at an https name that nobody in it has."""
