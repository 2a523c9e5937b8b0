"""An upstream: a flow's own socket, connected to its backend; how it is opened and read."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from udplb.core.flow import Flow
from udplb.core.reasons import DropReason
from udplb.core.train import Train
from udplb.engine import kernel
from udplb.engine.addresses import SocketAddress, family_of, scoped
from udplb.engine.batch import Batch
from udplb.engine.coalescing import segment_of
from udplb.engine.egress import EgressQueue
from udplb.engine.errors import OPEN_REASONS, Failure, failure_of
from udplb.engine.kernel import GRO_SIZE, RECEIVE_MAX
from udplb.engine.outlet import ClientOutlet
from udplb.engine.ports import Ports
from udplb.engine.proxied import outlet_to_backend

if TYPE_CHECKING:
    from udplb.engine.listener import Listener

ROUND_DATAGRAMS = 64
"""What one wake-up reads from one upstream; more waits for the next turn."""
ROUND_BUFFERS = 8
"""The same in buffers of up to 64 KiB, with UDP_GRO."""
ROUND_ERRORS = 8
BATCHED_FROM = 16
"""Replies owed from which one call for all of them is cheaper than a call for each."""
OVERFLOW_DATAGRAMS = 16
OVERFLOW_BYTES = 16_384
"""A receive queue as systems come with it holds several times as much before it overflows."""
PORT_TRIES = 16
STRAYS_MAX = 1_024

_DATAGRAMS = socket.SOCK_DGRAM | getattr(socket, "SOCK_NONBLOCK", 0)
_GRO_SPACE = socket.CMSG_SPACE(GRO_SIZE.size)


class OpenError(Exception):
    """The upstream could not be opened, for a reason that the core knows."""

    def __init__(self, reason: DropReason) -> None:
        super().__init__(reason)
        self.reason = reason


class Upstream:
    """What the shell keeps for a flow. The flow knows it by its descriptor alone: no cycle."""

    __slots__ = (
        "backend",
        "coalesces",
        "egress",
        "fd",
        "flow",
        "listener",
        "port",
        "sock",
        "to_backend",
        "to_client",
    )

    def __init__(
        self,
        flow: Flow,
        listener: Listener,
        sock: socket.socket,
        port: int | None,
        to_client: ClientOutlet,
    ) -> None:
        self.flow = flow
        self.listener = listener
        self.backend = flow.backend.socket_address
        """Whom the socket is connected to, and whose pool the port goes back to."""
        self.sock = sock
        self.fd = sock.fileno()
        self.port = port
        """The port taken from the pool; None where the kernel chose."""
        self.to_backend = outlet_to_backend(flow, listener, sock, to_client.runs_below)
        self.to_client = to_client
        self.egress: EgressQueue[Upstream] | None = None
        """Trains that wait for room in the socket's buffer."""
        self.coalesces = False
        """UDP_GRO is on."""

    @property
    def may_have_lost(self) -> bool:
        """Whether its backend ever sent enough to make its receive queue overflow."""
        flow = self.flow
        return flow.replies >= OVERFLOW_DATAGRAMS or flow.reply_bytes >= OVERFLOW_BYTES

    def read(self, batch: Batch | None = None) -> tuple[Train | None, list[Failure]]:
        """Read until nothing is left or the round's bound is reached.

        An error is noted and reading goes on: replies that came before it are still there.
        `batch`: buffers for many at once, where the system can.
        """
        if self.coalesces:
            return self._read_coalesced()
        # How many to read before asking the poller whether there are more. Where replies are not
        # counted and every request is about to have one, the read that would find nothing is
        # saved. Where they are counted, the core must see all that is there.
        flow = self.flow
        bound = ROUND_DATAGRAMS
        if flow.terms.responses == 0:
            owed = flow.requests - flow.replies
            if batch is not None and owed >= BATCHED_FROM:
                return self._read_batch(batch)
            if 0 < owed < bound:
                bound = owed
        return self._read_plain(bound)

    def _read_batch(self, batch: Batch) -> tuple[Train | None, list[Failure]]:
        failures: list[Failure] = []
        while len(failures) < ROUND_ERRORS:
            try:
                count = batch.receive(self.fd, ROUND_DATAGRAMS)
            except OSError as error:
                failures.append(failure_of(error))
                continue
            if count:
                sizes = batch.sizes(count)
                return Train.of_sizes(batch.datagrams(sizes), sizes), failures
            break
        return None, failures

    def _read_plain(self, bound: int) -> tuple[Train | None, list[Failure]]:
        receive = self.sock.recv
        datagrams: list[bytes] = []
        keep = datagrams.append
        failures: list[Failure] = []
        while len(failures) < ROUND_ERRORS:
            try:
                for _ in range(bound - len(datagrams)):
                    keep(receive(RECEIVE_MAX))
                break
            except BlockingIOError:
                break
            except OSError as error:
                failures.append(failure_of(error))
        return Train.of(datagrams) if datagrams else None, failures

    def _read_coalesced(self) -> tuple[Train | None, list[Failure]]:
        receive = self.sock.recvmsg
        pieces: list[tuple[bytes, int]] = []
        failures: list[Failure] = []
        while len(failures) < ROUND_ERRORS:
            try:
                while len(pieces) < ROUND_BUFFERS:
                    buffer, ancillary, _, _ = receive(RECEIVE_MAX, _GRO_SPACE)
                    pieces.append((buffer, segment_of(ancillary) if ancillary else 0))
                break
            except BlockingIOError:
                break
            except OSError as error:
                failures.append(failure_of(error))
        return Train.of_pieces(pieces) if pieces else None, failures


def open_socket(
    backend: SocketAddress, ports: Ports, now: float
) -> tuple[socket.socket, int | None, int]:
    """A socket that is connected to the backend, its port, and how many strays were in it.

    Raises OpenError, having left nothing open.
    """
    family = family_of(backend)
    try:
        sock = socket.socket(family, _DATAGRAMS)
    except OSError as error:
        raise OpenError(_open_reason(error)) from None
    port: int | None = None
    try:
        if not kernel.LINUX:
            sock.setblocking(False)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if not ports.chosen_by_kernel:
            port = _bind_to_port(sock, backend, ports, now)
        sock.connect(scoped(backend))
        return sock, port, _discard_strays(sock)
    except OpenError:
        sock.close()
        if port is not None:
            ports.release(family, port)
            ports.give_back(backend, port, now)
        raise
    except OSError as error:
        sock.close()
        if port is not None:
            ports.release(family, port)
            ports.give_back_unused(backend, port)
        raise OpenError(_open_reason(error)) from None


def _open_reason(error: OSError) -> DropReason:
    return OPEN_REASONS.get(failure_of(error), DropReason.UNREACHABLE)


def _bind_to_port(sock: socket.socket, backend: SocketAddress, ports: Ports, now: float) -> int:
    """Bind to a rested port; OpenError(no_port) when none is to be had.

    The first socket on a port binds plainly: EADDRINUSE then proves that nobody else holds it.
    Those that follow share it with SO_REUSEPORT, and only among ourselves. All pools hand the
    ports out in one order, so that the next port is likely one that we hold already.
    """
    family = sock.family
    wildcard = "0.0.0.0" if family == socket.AF_INET else "::"
    shared = False
    for _ in range(PORT_TRIES):
        port = ports.take(backend, now)
        if port is None:
            break
        held = ports.holds(family, port)
        if held is not shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, held)
            shared = held
        try:
            sock.bind((wildcard, port))
        except OSError:
            ports.give_back(backend, port, now)
            continue
        if not shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        ports.hold(family, port)
        return port
    raise OpenError(DropReason.NO_PORT)


def _discard_strays(sock: socket.socket) -> int:
    """Throw away what arrived between bind and connect: anybody may have sent it.

    OpenError(no_port) if there is no end to it: what is left must not be taken for replies.
    """
    strays = 0
    while strays < STRAYS_MAX:
        try:
            sock.recv(1)
        except BlockingIOError:
            return strays
        except OSError:
            pass  # news about the port's last holder
        strays += 1
    raise OpenError(DropReason.NO_PORT)
