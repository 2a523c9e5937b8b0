"""What the core asks of the shell: imperative, carried out in order.

`OpenUpstream` is answered before the next command is carried out, with `upstream_opened` or
`open_failed`, and so are the commands of that answer.
"""

from __future__ import annotations

from typing import NamedTuple

from udplb.core.flow import ClientAddress, Flow, LocalAddress
from udplb.core.reasons import CloseReason
from udplb.core.train import Train


class SendToBackend(NamedTuple):
    """Send the train on the flow's upstream; what the kernel refuses: `request_failed`."""

    flow: Flow
    train: Train


class ResendToBackend(NamedTuple):
    """Send the train once more, as if it were the flow's first; a failure is nobody's loss."""

    flow: Flow
    train: Train


class SendToClient(NamedTuple):
    """Send the train to the flow's client, from the address that the client had sent to."""

    flow: Flow
    train: Train


class OpenUpstream(NamedTuple):
    """Open a connected socket to the flow's backend; `train` waits for the answer."""

    flow: Flow
    train: Train


class ReopenUpstream(NamedTuple):
    """Replace the flow's socket, whose route is gone, by a new one, and send the train on it."""

    flow: Flow
    train: Train


class ReadUpstream(NamedTuple):
    """Read the upstream once more; if nothing is there: `upstream_was_silent`."""

    flow: Flow


class CloseUpstream(NamedTuple):
    """The flow is closed: close its upstream at the end of the round."""

    flow: Flow
    reason: CloseReason


class Postpone(NamedTuple):
    """This round has admitted enough: bring the train again in the next one, before others."""

    client_address: ClientAddress
    local: LocalAddress | None
    train: Train


Command = (
    SendToBackend
    | ResendToBackend
    | SendToClient
    | OpenUpstream
    | ReopenUpstream
    | ReadUpstream
    | CloseUpstream
    | Postpone
)
