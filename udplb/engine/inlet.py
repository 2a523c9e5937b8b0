"""Inlets: a listener's socket read in bounded rounds, as trains of one client each.

Two ways to the same trains: many datagrams a call where the system can, else one by one.
"""

from __future__ import annotations

import socket
import struct
from abc import ABC, abstractmethod
from functools import lru_cache

from udplb.core.flow import ClientAddress, LocalAddress
from udplb.core.train import Train
from udplb.engine import kernel
from udplb.engine.addresses import Ancillary, local_address
from udplb.engine.batch import BATCH_DATAGRAMS, Batch, has_batches
from udplb.engine.coalescing import segment_of, switch_coalescing_on, worth_coalescing

ROUND_DATAGRAMS = 128
"""What one wake-up reads from one listener; more waits for the loop's next turn."""
CALL_BUFFERS = 16
"""What one call brings of a socket with UDP_GRO, in buffers of up to 64 KiB; a round ends with
the call that reaches ROUND_DATAGRAMS."""
NOTES_KEPT = 1_024
CLIENTS_KEPT = 4_096

assert max(ROUND_DATAGRAMS, CALL_BUFFERS) <= BATCH_DATAGRAMS

_SOCKADDR_IN = struct.Struct("!2xH4s8x")
_SOCKADDR_IN6 = struct.Struct("!2xHI16s")
_SCOPE = struct.Struct("=I")
_CONTROL_HEAD = struct.Struct("@Nii")

Buffer = tuple[bytes, int]
"""What one receive brought, with its segment size; 0: it is one datagram."""
Sender = tuple[ClientAddress, LocalAddress | None]


Arrival = tuple[ClientAddress, LocalAddress | None, Train]
"""A train as it came in; the local address where the socket is bound to a wildcard."""


class Inlet(ABC):
    """Reads one listener's socket."""

    def __init__(self, sock: socket.socket, *, wildcard: bool, coalescing: bool) -> None:
        self._sock = sock
        self._wildcard = wildcard
        self._coalescing = coalescing
        """UDP_GRO may be switched on."""
        self.coalesces = coalescing and wildcard and switch_coalescing_on(sock)
        """UDP_GRO is on. A wildcard socket needs control messages anyway: from the start."""

    def inherit(self, predecessor: Inlet) -> None:
        """Another inlet has read this socket: UDP_GRO, once on, cannot be switched off again."""
        self.coalesces = self.coalesces or predecessor.coalesces
        self._coalescing = self._coalescing and not self.coalesces

    def receive(self) -> list[Arrival]:
        """One round: what the socket holds, as trains in the order of their first datagrams.

        OSError as the socket raises it, if nothing came before it.
        """
        if self._wildcard or self.coalesces:
            buffers = self._receive_buffers()
            return [(*sender, Train.of_pieces(each)) for sender, each in buffers.items()]
        arrivals = self._receive_datagrams()
        if self._coalescing and any(map(_is_worth_coalescing, arrivals)):
            self._coalescing = self.coalesces = switch_coalescing_on(self._sock)
        return arrivals

    @abstractmethod
    def _receive_datagrams(self) -> list[Arrival]:
        """One round of a socket without control messages."""

    @abstractmethod
    def _receive_buffers(self) -> dict[Sender, list[Buffer]]:
        """One round of a socket with control messages, by client and local address."""


class BatchInlet(Inlet):
    """Many datagrams a call."""

    def __init__(
        self, batch: Batch, sock: socket.socket, *, wildcard: bool, coalescing: bool
    ) -> None:
        super().__init__(sock, wildcard=wildcard, coalescing=coalescing)
        self._batch = batch
        four = sock.family == socket.AF_INET
        self._name_size = _SOCKADDR_IN.size if four else _SOCKADDR_IN6.size + _SCOPE.size
        self._client_of = _client_of_ipv4 if four else _client_of_ipv6

    def _receive_datagrams(self) -> list[Arrival]:
        batch = self._batch
        count = batch.receive(self._sock.fileno(), ROUND_DATAGRAMS)
        if not count:
            return []
        sizes = batch.sizes(count)
        trains: dict[bytes, list[bytes]] = {}
        names = batch.names(count, self._name_size)
        for name, datagram in zip(names, batch.datagrams(sizes), strict=True):
            train = trains.get(name)
            if train is None:
                trains[name] = [datagram]
            else:
                train.append(datagram)
        client_of, size = self._client_of, sizes[0]
        if sizes.count(size) == count:
            of_equal = Train.of_equal
            return [(client_of(name), None, of_equal(each, size)) for name, each in trains.items()]
        return [(client_of(name), None, Train.of(each)) for name, each in trains.items()]

    def _receive_buffers(self) -> dict[Sender, list[Buffer]]:
        batch, fd = self._batch, self._sock.fileno()
        asked = CALL_BUFFERS if self.coalesces else ROUND_DATAGRAMS
        trains: dict[tuple[bytes, LocalAddress | None], list[Buffer]] = {}
        left = ROUND_DATAGRAMS
        while left > 0:
            try:
                count = batch.receive(fd, asked)
            except OSError:
                if not trains:
                    raise
                break
            if count:
                names, raws = batch.names(count, self._name_size), batch.ancillaries(count)
                datagrams = batch.datagrams(batch.sizes(count))
                for name, raw, buffer in zip(names, raws, datagrams, strict=True):
                    local, segment = _note_of(raw)
                    trains.setdefault((name, local), []).append((buffer, segment))
                    left -= -(-len(buffer) // segment) if segment else 1
            if count < asked:
                break
        client_of = self._client_of
        return {(client_of(name), local): each for (name, local), each in trains.items()}


class SingleInlet(Inlet):
    """One datagram a call, as every system can."""

    def _receive_datagrams(self) -> list[Arrival]:
        receive = self._sock.recvfrom
        trains: dict[ClientAddress, list[bytes]] = {}
        try:
            for _ in range(ROUND_DATAGRAMS):
                datagram, client = receive(kernel.RECEIVE_MAX)
                trains.setdefault(client, []).append(datagram)
        except BlockingIOError:
            pass
        except OSError:
            if not trains:
                raise
        return [(client, None, Train.of(each)) for client, each in trains.items()]

    def _receive_buffers(self) -> dict[Sender, list[Buffer]]:
        receive = self._sock.recvmsg
        trains: dict[Sender, list[Buffer]] = {}
        left = ROUND_DATAGRAMS
        try:
            while left > 0:
                buffer, ancillary, _, client = receive(kernel.RECEIVE_MAX, kernel.ANCILLARY_MAX)
                segment = segment_of(ancillary)
                trains.setdefault((client, _local_of(ancillary)), []).append((buffer, segment))
                left -= -(-len(buffer) // segment) if segment else 1
        except BlockingIOError:
            pass
        except OSError:
            if not trains:
                raise
        return trains


class Inlets:
    """Makes inlets; those of one engine share their buffers."""

    def __init__(self, *, coalescing: bool) -> None:
        self._coalescing = coalescing
        self.batch = Batch() if has_batches() else None
        """Buffers for many datagrams a call; None: the system has no such call."""

    def inlet(self, sock: socket.socket, *, wildcard: bool) -> Inlet:
        """The best inlet that this system has for the socket."""
        wildcard = wildcard and kernel.LINUX  # elsewhere nothing tells the local address
        if self.batch is None:
            return SingleInlet(sock, wildcard=wildcard, coalescing=self._coalescing)
        return BatchInlet(self.batch, sock, wildcard=wildcard, coalescing=self._coalescing)

    def shrink(self) -> None:
        """Forget what was kept for speed alone."""
        for kept in (_note_of, _client_of_ipv4, _client_of_ipv6):
            kept.cache_clear()
        if self.batch is not None:
            self.batch.shrink()


def _is_worth_coalescing(arrival: Arrival) -> bool:
    return worth_coalescing(arrival[2])


@lru_cache(maxsize=CLIENTS_KEPT)
def _client_of_ipv4(name: bytes) -> ClientAddress:
    port, packed = _SOCKADDR_IN.unpack(name)
    return socket.inet_ntoa(packed), port


@lru_cache(maxsize=CLIENTS_KEPT)
def _client_of_ipv6(name: bytes) -> ClientAddress:
    port, flow_information, packed = _SOCKADDR_IN6.unpack_from(name)
    (scope,) = _SCOPE.unpack_from(name, _SOCKADDR_IN6.size)
    return socket.inet_ntop(socket.AF_INET6, packed), port, flow_information, scope


@lru_cache(maxsize=NOTES_KEPT)
def _note_of(raw: bytes) -> tuple[LocalAddress | None, int]:
    """The local address and the segment size that control messages tell, as the kernel left them.

    Few differ: as many as there are local addresses and sizes.
    """
    messages: Ancillary = []
    start = 0
    while start + _CONTROL_HEAD.size <= len(raw):
        size, level, kind = _CONTROL_HEAD.unpack_from(raw, start)
        if size < _CONTROL_HEAD.size:
            break  # zeros: the end
        messages.append((level, kind, raw[start + _CONTROL_HEAD.size : start + size]))
        start += socket.CMSG_SPACE(size - _CONTROL_HEAD.size)
    return _local_of(messages), segment_of(messages)


def _local_of(ancillary: Ancillary) -> LocalAddress | None:
    for level, kind, data in ancillary:
        if (level == socket.IPPROTO_IP and kind == kernel.IP_PKTINFO) or (
            level == socket.IPPROTO_IPV6 and kind == kernel.IPV6_PKTINFO
        ):
            return local_address(level, data)
    return None
