"""Whether the system is fit to take over now, and in a month: facts, each with its age and what to do about it."""
