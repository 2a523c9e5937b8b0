"""The one table of requests: what may be asked of a running proxy, and what the answer is.

Command line, console and socket all use these types. A class is one request, its docstring the
sentence for people, its base the type of the answer; `changes` says whether it changes anything.
Times are seconds; backends are called by name or address.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Generic, TypeVar, Union, get_args

import msgspec
from msgspec import Meta

from udplb.core.settings import WEIGHT_MAX, AtDeadline
from udplb.engine.ranking import FlowQuery
from udplb.engine.snapshot import (
    BackendSnapshot,
    ClusterSnapshot,
    FlowWindow,
    ListenerSnapshot,
    Snapshot,
)

PROTOCOL = 1
"""Raised whenever an old client would misread a new proxy, or the other way round."""
CLOSES_MAX = 10_000
"""Flows that one request may name."""
COUNT_GROWTH = 0.1
"""Of a count of flows: what may come to match between counting and closing. A count is up to 2 s
old, and is read for a while: with clients that come and go it has always moved a little. Somebody
who confirmed 1,000 meant 1,050, too, and not 2,000."""
COUNT_GROWTH_MIN = 10
"""Flows: a tenth of a few is nothing."""
FILE_BYTES_MAX = 256 << 10
"""Of the configuration file that one answer brings."""
WITHOUT_MAX = 64
"""Backends that one explanation may leave out."""
INTERVAL_MIN_S = 0.1
INTERVAL_MAX_S = 60.0

Text = Annotated[str, Meta(min_length=1, max_length=256)]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Weight = Annotated[int, Meta(ge=0, le=WEIGHT_MAX)]
FlowId = Annotated[int, Meta(ge=1)]
Digest = Annotated[str, Meta(min_length=64, max_length=64)]

Answer = TypeVar("Answer")


class Request(
    msgspec.Struct,
    Generic[Answer],
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,  # so that a proxy of an older version is not told of fields new to it
    tag_field="request",
    tag=lambda name: "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_"),
):
    """Something that is asked of the proxy."""

    changes: ClassVar[bool] = False
    """Whether it changes what the proxy does."""

    id: int = 0
    """The asker's own number for it; the answer repeats it."""


class Change(Request[Answer], frozen=True, kw_only=True):
    """A request that changes what the proxy does."""

    changes: ClassVar[bool] = True

    generation: int | None = None
    """The configuration's generation that the asker had in mind; another is refused, as stale."""
    engine: Text | None = None
    """The engine that the asker had in mind, by the name in its greeting and snapshots; another is
    refused, as stale: with each start generations and the numbers of flows begin anew."""


# Answers


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What a change did."""

    sentences: tuple[str, ...]
    """A sentence for each thing that is different now; none: nothing had to be changed."""
    generation: int
    """The configuration's generation now."""
    warnings: tuple[str, ...] = ()
    since_s: float | None = None
    """A reload that came too late: the file was taken up so long ago, and the sentences say what
    that changed. None: it was done now."""


class Touched(msgspec.Struct, frozen=True, kw_only=True):
    """One difference between two states, and the live flows that it would touch."""

    sentence: str
    flows: int
    needs_restart: bool = False


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The file on disk against what runs."""

    file: str
    problems: tuple[str, ...]
    """FILE:LINE: key: message, if the file on disk is not valid; then `on_reload` is empty."""
    on_reload: tuple[Touched, ...]
    """What a reload of the file would change."""
    drift: tuple[Touched, ...]
    """What operators changed; a reload keeps it, `revert` undoes it, `save` writes it down."""
    dropped: tuple[str, ...]
    """What operators changed and a reload of the file would drop, as the file changed it too."""
    flows: int
    """Live flows in all."""
    digest: str = ""
    """SHA-256 of the file that this is about, in hexadecimal digits; empty if it is not valid."""


class Ranked(msgspec.Struct, frozen=True, kw_only=True):
    """One backend, as it stands for one client."""

    name: str
    address: str
    usable: bool
    note: str
    """Its score or its turn, or why it is not usable."""


class FlowNow(msgspec.Struct, frozen=True, kw_only=True):
    """The client's live flow."""

    id: int
    backend: str
    backend_address: str
    state: str
    age_s: float
    idle_s: float
    ends_in_s: float
    requests: int
    replies: int


class LastDrop(msgspec.Struct, frozen=True, kw_only=True):
    """The latest datagram of the client that was dropped."""

    ago_s: float
    reason: str
    meaning: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Where a new flow of a client would go, and why."""

    listener: str
    client: str
    cluster: str
    balance: str
    affinity: str | None
    """What is hashed; None where the policy does not hash."""
    hash_key: str | None
    """The client as it is hashed: an address, with its port or without."""
    hash: str | None
    """The 64 bits in hexadecimal digits."""
    ranked: tuple[Ranked, ...]
    """The backends, the first choice first; those that are not usable last."""
    chosen: str | None
    """The backend's name; None: no flow would be opened."""
    why: str
    """One sentence."""
    barred: str | None
    """The reason why the client would get no flow now, if there is one: denied, max_flows, ..."""
    flows: tuple[FlowNow, ...]
    """The client's live flows on this listener, the current one first."""
    last_drop: LastDrop | None


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """How many flows a request to close them found; they close in slices."""

    flows: int


class Subscribed(msgspec.Struct, frozen=True, kw_only=True):
    """Snapshots and events follow."""

    interval_s: float


class FileText(msgspec.Struct, frozen=True, kw_only=True):
    """The configuration file."""

    file: str
    text: str
    """What is no UTF-8 in it is replaced."""
    cut: bool
    """The file goes on: only its first FILE_BYTES_MAX are here."""
    in_force: bool
    """It is the one that was last read and applied."""


class Locked(msgspec.Struct, frozen=True, kw_only=True):
    """The connection is locked."""


# Requests that look


class Status(Request[Snapshot], frozen=True, kw_only=True):
    """The whole proxy: state, configuration, totals, listeners and clusters."""


class Listeners(Request[tuple[ListenerSnapshot, ...]], frozen=True, kw_only=True):
    """All listeners with their traffic and drops."""


class Clusters(Request[tuple[ClusterSnapshot, ...]], frozen=True, kw_only=True):
    """All clusters with their backends."""


class Backends(Request[tuple[BackendSnapshot, ...]], frozen=True, kw_only=True):
    """All backends with health and traffic, or those of one cluster."""

    cluster: Text | None = None


class Flows(Request[FlowWindow], frozen=True, kw_only=True):
    """A window of the live flows: sorted, filtered, limited."""

    query: FlowQuery = FlowQuery()


class Explain(Request[Explanation], frozen=True, kw_only=True):
    """Where a new flow of this client would go, and why; `without`: as if these were down."""

    listener: Text
    client: Text
    """IP address and port; with affinity to the address alone the port may be left out."""
    without: Annotated[tuple[Text, ...], Meta(max_length=WITHOUT_MAX)] = ()


class Diff(Request[Difference], frozen=True, kw_only=True):
    """The file on disk against what runs, with the live flows that a reload would touch."""


class Subscribe(Request[Subscribed], frozen=True, kw_only=True):
    """Snapshots and events from now on, on this connection; another one replaces it."""

    snapshots: bool = True
    events: bool = True
    flow_events: bool = False
    """Events of single flows, too: many."""
    window: FlowQuery | None = None
    """Snapshots carry this window of the flows."""
    tap: FlowId | None = None
    """Snapshots carry the last datagrams of this flow; nothing is kept once nobody asks."""
    interval_s: Annotated[float, Meta(ge=INTERVAL_MIN_S, le=INTERVAL_MAX_S)] = 0.5
    """Between two snapshots."""


class File(Request[FileText], frozen=True, kw_only=True):
    """The configuration file as it is on disk."""


class Lock(Request[Locked], frozen=True, kw_only=True):
    """This connection changes nothing from now on: the proxy refuses whatever would."""


# Requests that change


class Drain(Change[Done], frozen=True, kw_only=True):
    """No new flows on a backend; those that it has live to their end, or to a deadline."""

    cluster: Text
    backend: Text
    deadline_s: Seconds | None = None
    at_deadline: AtDeadline | None = None
    """What happens to the flows that are left then; None: what `on_backend_down` says."""


class Undrain(Change[Done], frozen=True, kw_only=True):
    """New flows on a backend again."""

    cluster: Text
    backend: Text


class SetWeight(Change[Done], frozen=True, kw_only=True):
    """Another weight for a backend; 0: no new flows."""

    cluster: Text
    backend: Text
    weight: Weight


class AddBackend(Change[Done], frozen=True, kw_only=True):
    """One more backend in a cluster."""

    cluster: Text
    address: Text
    name: Text | None = None
    weight: Weight | None = None
    """None: 1, or what the file says of a backend that was removed here."""


class RemoveBackend(Change[Done], frozen=True, kw_only=True):
    """A backend leaves its cluster; its flows leave, and end within `drain_timeout`."""

    cluster: Text
    backend: Text


class CloseFlows(Change[Closed], frozen=True, kw_only=True):
    """Close flows, by their numbers or by a filter."""

    flows: Annotated[tuple[FlowId, ...], Meta(max_length=CLOSES_MAX)] = ()
    filter: Text | None = None
    """Instead of numbers: the grammar of the flows' filter."""
    counted: Annotated[int, Meta(ge=0)] | None = None
    """With a filter: how many flows matched when the asker counted them. If by now they are more,
    by a tenth (COUNT_GROWTH) and by more than COUNT_GROWTH_MIN, it is refused, as stale."""


class Reload(Change[Done], frozen=True, kw_only=True):
    """Read the file again and apply it, now."""

    expected: Digest | None = None
    """The digest of the file that the asker had in mind; another is refused, as stale."""


class Save(Change[Done], frozen=True, kw_only=True):
    """Write what operators changed into the file."""


class Revert(Change[Done], frozen=True, kw_only=True):
    """Undo what operators changed: all of it, or that of one cluster or backend."""

    cluster: Text | None = None
    backend: Text | None = None


AnyRequest = Union[  # noqa: UP007 - get_args of it is the table
    Status, Listeners, Clusters, Backends, Flows, Explain, Diff, File, Subscribe, Lock,
    Drain, Undrain, SetWeight, AddBackend, RemoveBackend, CloseFlows, Reload, Save, Revert,
]  # fmt: skip

REQUESTS: tuple[type[Request[object]], ...] = get_args(AnyRequest)
"""The table, in the order in which people read it."""


def answer_type(request: type[Request[Answer]]) -> type[Answer]:
    """The type of the answer to a request of this class."""
    for base in request.__orig_bases__:  # type: ignore[attr-defined]
        (answer,) = get_args(base)
        return answer  # type: ignore[no-any-return]
    raise AssertionError(f"{request} answers nothing")


# What comes back


class Refused(Exception):  # noqa: N818 - what it is
    """A request that was not done. `code` is for programs, the message one line for people."""

    def __init__(self, code: str, message: str, problems: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        """bad_request, not_found, refused, stale, invalid, changed, read_only, busy, ended, failed
        (a bug)."""
        self.message = message
        self.problems = problems
        """With `invalid` a line for each mistake of the file, with `changed` for each change."""
