"""The demo's operator: drains a backend and puts it back, through the control socket as anybody."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from udplb.demo.acts import PutBack, TakeOut

ASK_S = 5.0
"""Seconds that the proxy may take."""

_log = logging.getLogger(__name__)


class Operator:
    """Asks the proxy at `control_socket`; whoever has changed its backends meanwhile was first."""

    def __init__(self, control_socket: Path, speed: float = 1.0) -> None:
        """`speed`: how many times faster than usual a drain's deadline comes."""
        self._control_socket = control_socket
        self._speed = speed
        self._tasks: set[asyncio.Task[None]] = set()

    def order(self, deed: TakeOut | PutBack) -> None:
        """Do this soon. For the loop's thread, which does not wait for it."""
        task = asyncio.get_running_loop().create_task(asyncio.to_thread(self._do, deed))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _do(self, deed: TakeOut | PutBack) -> None:
        # Here and not above: it takes long to import, and calm demos need none of it.
        from udplb.client import (  # noqa: PLC0415
            LostError,
            NoProxyError,
            VersionError,
            connect,
        )
        from udplb.engine.control.requests import Drain, Refused, Undrain  # noqa: PLC0415

        cluster, _, backend = deed.backend.partition("/")
        try:
            with connect(self._control_socket) as client:
                if isinstance(deed, TakeOut):
                    drain = Drain(
                        cluster=cluster,
                        backend=backend,
                        deadline_s=deed.deadline_s / self._speed,
                        at_deadline="move",
                    )
                    client.ask(drain, ASK_S)
                else:
                    client.ask(Undrain(cluster=cluster, backend=backend), ASK_S)
        except (Refused, NoProxyError, LostError, VersionError) as error:
            _log.info("%s: %s", deed, error)
