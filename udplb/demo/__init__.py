"""`udplb demo`: backends, clients and a proxy between them, in one command.

Backends and clients run in a process of their own (`traffic.py`), the proxy in this one, with a
real file and a control socket in a private directory (`stage.py`). What happens, and when, is data
(`acts.py`). Every reply is checked against what its client sent.
"""

from __future__ import annotations


def run_demo(duration: float | None, *, acts: bool = False) -> int:
    """Without the console, for `duration` seconds or until a signal; the exit code.

    0 only if every client got every reply, once; with `acts` (backends slow down, die and return,
    so that replies must be missing) if nobody got a reply that was not his own.
    """
    # Here and not above: the process of the traffic, which belongs to this room too, needs no
    # engine.
    from udplb.demo.headless import run_headless_demo  # noqa: PLC0415

    return run_headless_demo(duration, acts=acts)
