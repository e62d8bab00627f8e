"""One role for each layer's team: what it may do, who takes it on, and how it gets into the account."""
