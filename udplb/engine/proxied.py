"""The way to a backend that wants PROXY headers: who gets one, and what that means for troubles.

The header lives between here and the wire alone. What comes back in a Trouble is as the client
had sent it: bytes are counted without the header, and what is sent later gets it then.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Literal

from udplb.core.address import Address, normal_ip
from udplb.core.flow import Flow
from udplb.core.proxy_protocol import (
    header,
    with_header,
    with_header_where_forged,
    without_header,
)
from udplb.core.settings import DATAGRAM_MAX
from udplb.core.train import Train
from udplb.engine.errors import Failure
from udplb.engine.outlet import BackendOutlet, Trouble

if TYPE_CHECKING:
    from udplb.engine.listener import Listener

Mode = Literal["first", "until_reply", "every"]


def outlet_to_backend(
    flow: Flow, listener: Listener, sock: socket.socket, runs_below: int
) -> BackendOutlet:
    """The way to the flow's backend: for a cluster that wants no headers the plain outlet."""
    mode = flow.terms.proxy_protocol
    if mode == "off":
        return BackendOutlet(sock, runs_below)
    return ProxiedOutlet(sock, runs_below, flow, destination_of(flow, listener), mode)


def destination_of(flow: Flow, listener: Listener) -> Address:
    """The address that the flow's client sent to; on a wildcard listener the flow knows the IP."""
    if flow.local is None:
        return listener.address
    packed, _ = flow.local
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
    return Address(normal_ip(socket.inet_ntop(family, packed)), listener.address.port)


class ProxiedOutlet(BackendOutlet):
    """To a backend that wants headers, for one flow on one upstream socket.

    A new upstream socket has a new port: to the backend it is another client, and it gets an
    outlet of its own, which starts over.
    """

    __slots__ = ("_flow", "_header", "_mode", "_owed", "_replies_before")

    def __init__(
        self, sock: socket.socket, runs_below: int, flow: Flow, destination: Address, mode: Mode
    ) -> None:
        super().__init__(sock, runs_below)
        self._flow = flow
        self._header = header(flow.client, destination)
        self._mode = mode
        self.start_over()

    def start_over(self) -> None:
        """The backend may not know who the client is any more: tell it again.

        `first`: the next datagram that the kernel accepts carries the header. `until_reply`: all
        do until the next reply. To be called before a resend, and after a refusal: the datagram
        that had the header may be what was refused, or who had read it is gone.
        """
        self._owed = True
        self._replies_before = self._flow.replies

    def send(self, train: Train) -> Trouble | None:
        """Send the train with its headers; for the rest as `Outlet.send`.

        A datagram that does not fit together with its header is TOO_LARGE.
        """
        mode = self._mode
        if mode == "first":
            if self._owed:
                return self._send_first(train)
        elif mode == "every" or self._flow.replies == self._replies_before:
            return self._send_headed(with_header(train, self._header))
        return self._send_unheaded(train)

    def _send_first(self, train: Train) -> Trouble | None:
        """Send the train; the first datagram of it that the kernel accepts carries the header."""
        trouble = Trouble()
        datagrams = list(train.datagrams())
        for position, datagram in enumerate(datagrams):
            single = self._send_headed(Train.of([self._header + datagram]))
            _add(trouble, single)
            if trouble.blocked is not None:
                trouble.blocked = Train.of(datagrams[position:])
                return trouble
            if single is None or not single.failed:
                self._owed = False
                if rest := datagrams[position + 1 :]:
                    _add(trouble, self._send_unheaded(Train.of(rest)))
                break
        return trouble if trouble.blocked or trouble.failed or trouble.noted else None

    def _send_unheaded(self, train: Train) -> Trouble | None:
        """Send the train as it is, but for datagrams that pretend to have a header."""
        headed = with_header_where_forged(train, self._header)
        trouble = super().send(train) if headed is train else self._send_headed(headed)
        if trouble is not None and Failure.REFUSED in trouble.noted:
            self.start_over()
        return trouble

    def _send_headed(self, headed: Train) -> Trouble | None:
        """Send a train that has its headers; what comes back has none."""
        fitting, too_large = _parted(headed)
        trouble = super().send(fitting) if fitting is not None else None
        if trouble is None and not too_large:
            return None
        trouble = trouble or Trouble()
        if trouble.blocked is not None:
            trouble.blocked = Train.of(list(map(self._bare, trouble.blocked.datagrams())))
        trouble.failed += [(datagram, Failure.TOO_LARGE) for datagram in too_large]
        trouble.failed = [(self._bare(datagram), failure) for datagram, failure in trouble.failed]
        return trouble

    def _bare(self, datagram: bytes) -> bytes:
        return without_header(datagram, self._header)


def _parted(headed: Train) -> tuple[Train | None, list[bytes]]:
    """What of the train can go, and what is too large for any way out.

    Over IPv6 the kernel would take 20 bytes more: the bound is the same for both families.
    """
    if headed.largest <= DATAGRAM_MAX:
        return headed, []
    datagrams = list(headed.datagrams())
    fitting = [datagram for datagram in datagrams if len(datagram) <= DATAGRAM_MAX]
    too_large = [datagram for datagram in datagrams if len(datagram) > DATAGRAM_MAX]
    return Train.of(fitting) if fitting else None, too_large


def _add(trouble: Trouble, more: Trouble | None) -> None:
    """What happened later, to what happened before."""
    if more is not None:
        trouble.noted += more.noted
        trouble.failed += more.failed
        trouble.blocked = more.blocked
