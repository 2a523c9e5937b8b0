"""The lines of a transcript: what the core asked of the shell, in words that tests can read."""

from __future__ import annotations

from dataclasses import dataclass

from udplb.core.flow import ClientAddress
from udplb.core.reasons import CloseReason


@dataclass(frozen=True, slots=True)
class Line:
    """One command as a transcript shows it."""

    verb: str
    flow: int
    what: tuple[object, ...]

    def __repr__(self) -> str:
        return f"{self.verb}({', '.join(map(repr, (self.flow, *self.what)))})"


def opens(flow: int, backend: str) -> Line:
    """An upstream to `backend`, whether that then succeeds or not."""
    return Line("opens", flow, (backend,))


def reopens(flow: int, backend: str = "b0") -> Line:
    """Another socket for the flow."""
    return Line("reopens", flow, (backend,))


def sends(flow: int, *datagrams: bytes) -> Line:
    """Datagrams to the flow's backend."""
    return Line("sends", flow, datagrams)


def resends(flow: int, *datagrams: bytes) -> Line:
    """Datagrams to the flow's backend, once more."""
    return Line("resends", flow, datagrams)


def answers(flow: int, *datagrams: bytes) -> Line:
    """Datagrams to the flow's client."""
    return Line("answers", flow, datagrams)


def reads(flow: int) -> Line:
    """The upstream is read once more."""
    return Line("reads", flow, ())


def closes(flow: int, reason: str) -> Line:
    """The upstream is closed."""
    return Line("closes", flow, (CloseReason[reason.upper()],))


def postpones(client: ClientAddress, *datagrams: bytes) -> Line:
    """The train comes again in the next round."""
    return Line("postpones", 0, (client, *datagrams))
