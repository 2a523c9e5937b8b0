"""The stage of the demo: traffic in a process of its own, and the file of the proxy before it.

The proxy itself is the caller's: an engine in this process, with a console or without.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from udplb.config.load import Loaded, load
from udplb.config.problems import ConfigError
from udplb.demo.cast import CLUSTERS, LOOPBACK, Place, free_place
from udplb.demo.file import configuration_text
from udplb.demo.messages import Begin
from udplb.demo.process import StageError, TrafficProcess
from udplb.demo.tally import Tally, passes, verdict

PLACE_BYTES_MAX = 70
"""Of the directory for temporary ones: a longer path leaves no room for a socket's name in it."""


class Stage:
    """What the caller needs to run the proxy, and to let the play begin and end."""

    def __init__(
        self,
        traffic: TrafficProcess,
        file: Path,
        control_socket: Path,
        *,
        acts: bool,
        speed: float,
    ) -> None:
        self.file = file
        """The proxy's configuration; it may be changed while the play goes on."""
        self.control_socket = control_socket
        self.loaded: Loaded = load(file)
        self.acts = acts
        self._speed = speed
        self._traffic = traffic

    @property
    def listeners(self) -> dict[str, Place]:
        """Where the clients of each cluster send to."""
        return {
            each.cluster: (str(each.address.ip), each.address.port)
            for each in self.loaded.configuration.listeners
        }

    def begin(self) -> None:
        """The proxy forwards: let the clients send."""
        self._traffic.begin(
            Begin(
                listeners=self.listeners,
                control_socket=str(self.control_socket),
                acts=self.acts,
                speed=self._speed,
            )
        )

    @property
    def tally(self) -> Tally:
        """What the well-behaved clients sent and got, as of a moment ago."""
        return self._traffic.tally

    @property
    def failure(self) -> str | None:
        """A line that says why there is no traffic any more; None: there is."""
        return self._traffic.failure

    @property
    def traffic_pid(self) -> int:
        """The process of backends and clients."""
        return self._traffic.pid

    def finish(self) -> Tally:
        """Let the clients stop and wait for replies on their way, at most a second; the end of it.

        The proxy has to forward until then. A second call does nothing.
        """
        return self._traffic.finish()

    @property
    def passed(self) -> bool:
        """Whether the proxy did what it must: all replies; with acts none that was another's."""
        return self.failure is None and passes(self.tally, acts=self.acts)

    def introduction(self) -> tuple[str, ...]:
        """What to say at the beginning, in lines."""
        backends = sum(len(cluster.backends) for cluster in self.loaded.configuration.clusters)
        places = " and ".join(f"{host}:{port}" for host, port in self.listeners.values())
        return (
            f"proxy on {places}; {backends} backends, clients in process {self.traffic_pid}",
            f"its file, to be edited and saved: {self.file}",
            f"look in from another shell: udplb flows --watch --socket {self.control_socket}",
        )

    def summary(self) -> tuple[str, ...]:
        """What came of it, in lines; ends the traffic as `finish` does."""
        failure = self.failure
        lines = [verdict(self.finish())]
        if self.acts and self.tally.missing:
            lines.append("backends died and fell silent on purpose: some losses are part of it")
        return (*lines, failure) if failure else tuple(lines)


@contextmanager
def stage(*, acts: bool, speed: float = 1.0) -> Iterator[Stage]:
    """Backends that wait for a proxy, in a private directory that is gone afterwards.

    `acts`: backends slow down, die and return, an operator drains one, clients misbehave; else all
    is calm. `speed`: how many seconds of the play, and of its timeouts, go by in one.
    Raises StageError.
    """
    try:
        # A place of its own: never that of a proxy that works on this machine.
        private = tempfile.TemporaryDirectory(
            prefix="udplb-demo-", dir=_place(), ignore_cleanup_errors=True
        )
    except OSError as error:
        raise StageError(f"no temporary directory for the demo: {error.strerror}") from None
    with private as name:
        directory = Path(name)
        traffic = TrafficProcess(directory / "traffic.log")
        try:
            file, control_socket = directory / "udplb.toml", directory / "udplb.sock"
            _write(file, traffic, control_socket, speed)
            try:
                ready = Stage(traffic, file, control_socket, acts=acts, speed=speed)
            except ConfigError as error:
                raise StageError(str(error)) from None
            yield ready
        finally:
            traffic.close()


def _place() -> str | None:
    """Where the directory is made; None: where the system has such."""
    usual = tempfile.gettempdir()
    return "/tmp" if len(os.fsencode(usual)) > PLACE_BYTES_MAX else None


def _write(file: Path, traffic: TrafficProcess, control_socket: Path, speed: float) -> None:
    """Write the proxy's file. Raises StageError."""
    bound = traffic.where()
    try:
        places = {cluster: free_place() for cluster in CLUSTERS}
        while len({*places.values()}) < len(places):
            places = {cluster: free_place() for cluster in CLUSTERS}
        text = configuration_text(
            {cluster: port for cluster, (_, port) in places.items()},
            bound.ports,
            control_socket,
            many_hosts=bound.many_hosts,
            speed=speed,
        )
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        why = error.strerror or error
        raise StageError(f"the demo cannot be prepared on {LOOPBACK}: {why}") from None
