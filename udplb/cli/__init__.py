"""The commands. Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 no proxy there.

Errors are one line on standard error, with what to do. What a command needs is imported when it
runs: `udplb --version` does not wait for the engine.
"""

from udplb.cli.entrance import app, main

__all__ = ["app", "main"]
