"""Application Load Balancers at work: what they do with a request. What is asked of their API is the emulator's.

The emulator's own (`/_alb/…`) folds headers of one name, decides by content instead of its type what is text, calls
functions without asking their policies, tells what went wrong in JSON, and counts nothing. It is not used.
"""
