"""Pulumi plugins from warm processes: language host, AWS and random providers, policy analyzer.

The engine starts a plugin by running an executable that prints the port of a gRPC server. Here that executable is a
stub (`stub.py`) that borrows the server from one long-lived process (`host.py`), because what makes a plugin slow is
importing its SDK. Programs are forked from a process that has that SDK imported (`fork_server.py`) and has never seen
the checkout's own code, so that an edit takes effect at the next run.

```
engine ── stub ──▶ host ──▶ provider (sandbox.provider) or analyzer of the policies, one for each stub
                    └─────▶ language host (language.py) ──▶ fork server ──▶ program (program.py)
```

Without the host the stub becomes the plugin itself (`plain.py`): slower, the same otherwise. Whoever ends first, the
others follow: each holds a socket or a pipe of its peer and ends with it, also after `kill -9`.
"""
