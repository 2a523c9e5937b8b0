"""A configuration in pieces, each of which takes well under a millisecond to send or to receive.

The process that reads files and the one that forwards datagrams tell each other configurations in
this way: the datapath must not stand still while thousands of backends are unpacked.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar, assert_never

from udplb.config.backend_overlay import BackendOverlay
from udplb.config.load import Loaded
from udplb.config.overlay import Overlay
from udplb.config.problems import Problem
from udplb.core.settings import (
    BackendSettings,
    ClusterSettings,
    Configuration,
    EngineSettings,
    ListenerSettings,
    Network,
)

PIECE_ITEMS_MAX = 64
"""Backends, networks, problems or overlay entries in one piece."""

_LENGTH = struct.Struct("!I")

_Each = TypeVar("_Each")


@dataclass(frozen=True, slots=True)
class Backends:
    """Some more backends of the latest cluster."""

    backends: tuple[BackendSettings, ...]


@dataclass(frozen=True, slots=True)
class Networks:
    """Some more networks of the latest listener."""

    field: Literal["allow", "deny"]
    networks: tuple[Network, ...]


@dataclass(frozen=True, slots=True)
class Problems:
    """Some more warnings of a valid file, or mistakes of another."""

    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Overlaid:
    """Some more parts of an overlay."""

    parts: tuple[BackendOverlay, ...]


@dataclass(frozen=True, slots=True)
class Digest:
    """Of a file that is valid."""

    digest: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """What the other process could not do."""

    error: Exception


Piece = (
    EngineSettings
    | ListenerSettings
    | Networks
    | ClusterSettings
    | Backends
    | Problems
    | Overlaid
    | Digest
    | Failed
)
"""Listeners come without networks and clusters without backends: these follow."""


@dataclass(frozen=True, slots=True)
class Load:
    """Read a file. The answer: its digest, its warnings, its configuration; or its problems."""

    path: str


@dataclass(frozen=True, slots=True)
class Save:
    """Write the overlay that follows into a file that says the configuration that follows.

    The answer: the digest of what was written, and its warnings. What it says is known.
    """

    path: str
    digest: bytes


Job = Load | Save


def pieces_of(configuration: Configuration) -> Iterator[Piece]:
    """All of a configuration."""
    yield configuration.engine
    for listener in configuration.listeners:
        yield replace(listener, allow=(), deny=())
        yield from (Networks("allow", some) for some in _slices(listener.allow))
        yield from (Networks("deny", some) for some in _slices(listener.deny))
    for cluster in configuration.clusters:
        yield replace(cluster, backends=())
        yield from map(Backends, _slices(cluster.backends))


def pieces_of_problems(problems: Sequence[Problem]) -> Iterator[Piece]:
    """All of the problems of a file."""
    return map(Problems, _slices(problems))


def pieces_of_overlay(overlay: Overlay) -> Iterator[Piece]:
    """All of an overlay."""
    return map(Overlaid, _slices(overlay.backends))


def framed(thing: Job | Piece) -> bytes:
    """One frame."""
    body = pickle.dumps(thing, pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(body)) + body


def frames(content: bytes) -> Iterator[Any]:
    """The things in the frames, unpacked one by one. Raises ValueError where one is cut off."""
    view = memoryview(content)
    at = 0
    while at < len(view):
        if len(view) - at < _LENGTH.size:
            raise ValueError("a frame is cut off")
        (length,) = _LENGTH.unpack_from(view, at)
        at += _LENGTH.size
        if len(view) - at < length:
            raise ValueError("a frame is cut off")
        yield pickle.loads(view[at : at + length])
        at += length


def _slices(items: Sequence[_Each]) -> Iterator[tuple[_Each, ...]]:
    for at in range(0, len(items), PIECE_ITEMS_MAX):
        yield tuple(items[at : at + PIECE_ITEMS_MAX])


@dataclass(slots=True)
class Assembly:
    """Pieces on their way to a whole again."""

    problems: list[Problem] = field(default_factory=list)
    digest: bytes | None = None
    """None: no valid file was heard of."""
    error: Exception | None = None
    _overlay: list[BackendOverlay] = field(default_factory=list)
    _engine: EngineSettings | None = None
    _listeners: list[ListenerSettings] = field(default_factory=list)
    _clusters: list[ClusterSettings] = field(default_factory=list)
    _items: dict[str, list[Any]] = field(default_factory=dict)
    """What the latest listener or cluster has so far, by field."""

    def add(self, piece: Piece) -> None:
        """The next piece, in the order in which they were made."""
        match piece:
            case EngineSettings():
                self._engine = piece
            case ListenerSettings():
                self._complete()
                self._listeners.append(piece)
            case ClusterSettings():
                self._complete()
                self._clusters.append(piece)
            case Networks(networks=networks):
                self._items.setdefault(piece.field, []).extend(networks)
            case Backends(backends=backends):
                self._items.setdefault("backends", []).extend(backends)
            case Problems(problems=problems):
                self.problems += problems
            case Overlaid(parts=parts):
                self._overlay += parts
            case Digest(digest=digest):
                self.digest = digest
            case Failed(error=error):
                self.error = error
            case _:
                assert_never(piece)

    @property
    def overlay(self) -> Overlay:
        """The overlay that came."""
        return Overlay(tuple(self._overlay))

    def configuration(self) -> Configuration:
        """The configuration that came."""
        self._complete()
        assert self._engine is not None
        return Configuration(
            engine=self._engine,
            listeners=tuple(self._listeners),
            clusters=tuple(self._clusters),
        )

    def loaded(self) -> Loaded:
        """The valid file that came."""
        assert self.digest is not None
        return Loaded(self.configuration(), tuple(self.problems), self.digest)

    def _complete(self) -> None:
        """Give the latest listener or cluster what came for it."""
        if self._items:
            latest: list[Any] = self._clusters if "backends" in self._items else self._listeners
            items: dict[str, Any] = {name: tuple(them) for name, them in self._items.items()}
            latest[-1] = replace(latest[-1], **items)
            self._items.clear()
