"""The AWS and random providers of the sandbox: the engine's plugin protocol over a table of declared types."""
