"""CloudWatch as the stacks use it: metrics that come late, alarms that are evaluated, and what happens by the clock."""
