"""Trains: the datagrams of one flow that travel together, and how they split into runs.

A run is what one system call can carry (UDP_SEGMENT): datagrams of one size, the last perhaps
shorter. The rules are those of the kernel: an empty datagram inside a run would vanish, more than
64 segments or 65,507 bytes are refused by some kernels (udp_send_skb, UDP_MAX_SEGMENTS).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

RUN_DATAGRAMS_MAX = 64
RUN_BYTES_MAX = 65_507


class Run:
    """Datagrams that can go in one call. Immutable.

    `buffers` holds one buffer per datagram, or a single one in which `count` datagrams of
    `segment` bytes stand one behind the other (as UDP_GRO delivers them). The last datagram may
    be shorter than `segment`. `size` is the bytes of all.
    """

    __slots__ = ("buffers", "count", "segment", "size")

    def __init__(self, buffers: Sequence[bytes], segment: int, count: int, size: int) -> None:
        self.buffers = buffers
        self.segment = segment
        self.count = count
        self.size = size

    def datagrams(self) -> Iterator[bytes]:
        """Each datagram by itself."""
        if len(self.buffers) == self.count:
            yield from self.buffers
        else:
            (merged,) = self.buffers
            for start in range(0, self.size, self.segment):
                yield merged[start : start + self.segment]


class Train:
    """Datagrams of one flow, in order. Immutable; `count` datagrams, `size` bytes in all, the
    largest of them `largest` bytes."""

    __slots__ = ("count", "largest", "runs", "size")

    def __init__(self, runs: Sequence[Run]) -> None:
        self.runs = runs
        if len(runs) == 1:
            run = runs[0]
            self.count, self.size, self.largest = run.count, run.size, run.segment
        else:
            self.count = sum(run.count for run in runs)
            self.size = sum(run.size for run in runs)
            self.largest = max(run.segment for run in runs)

    @classmethod
    def of(cls, datagrams: Sequence[bytes]) -> Train:
        """A train of these datagrams, at least one."""
        return cls(_runs_of(datagrams, list(map(len, datagrams))))

    @classmethod
    def of_sizes(cls, datagrams: Sequence[bytes], sizes: Sequence[int]) -> Train:
        """The same, where their sizes are known."""
        return cls(_runs_of(datagrams, sizes))

    @classmethod
    def of_equal(cls, datagrams: Sequence[bytes], size: int) -> Train:
        """The same, where all are known to be of this size."""
        count = len(datagrams)
        total = count * size
        if size > 0 and count <= RUN_DATAGRAMS_MAX and total <= RUN_BYTES_MAX:
            return cls((Run(datagrams, size, count, total),))
        return cls.of(datagrams)

    @classmethod
    def of_pieces(cls, pieces: Sequence[tuple[bytes, int]]) -> Train:
        """A train of received buffers, each with its segment size; 0: a single datagram."""
        runs: list[Run] = []
        singles: list[bytes] = []
        for buffer, segment in pieces:
            if not 0 < segment < len(buffer):
                singles.append(buffer)
                continue
            if singles:
                runs.extend(Train.of(singles).runs)
                singles = []
            size = len(buffer)
            runs.append(Run((buffer,), segment, -(-size // segment), size))
        if singles:
            runs.extend(Train.of(singles).runs)
        return cls(runs)

    def datagrams(self) -> Iterator[bytes]:
        """Each datagram by itself, in order."""
        for run in self.runs:
            yield from run.datagrams()

    def split(self, count: int) -> tuple[Train, Train]:
        """The first `count` datagrams, and the rest; 0 < count < self.count."""
        assert 0 < count < self.count
        datagrams = list(self.datagrams())
        return Train.of(datagrams[:count]), Train.of(datagrams[count:])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Train) and list(self.datagrams()) == list(other.datagrams())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Train({self.count} datagrams, {self.size} bytes)"


def _runs_of(datagrams: Sequence[bytes], sizes: Sequence[int]) -> list[Run]:
    """The datagrams, of these sizes, as runs that the rules allow, each as long as it can be.

    A run is two or more datagrams of one size and at most one shorter, non-empty tail;
    everything else goes alone.
    """
    count = len(datagrams)
    first = sizes[0]
    total = first * count
    if count == 1 or (
        first > 0
        and count <= RUN_DATAGRAMS_MAX
        and total <= RUN_BYTES_MAX
        and sizes.count(first) == count
    ):
        return [Run(datagrams, first, count, total)]
    runs = []
    start = 0
    while start < count:
        stop = _run_end(sizes, start)
        runs.append(Run(datagrams[start:stop], sizes[start], stop - start, sum(sizes[start:stop])))
        start = stop
    return runs


def _run_end(sizes: Sequence[int], start: int) -> int:
    """Where the run ends that begins at `start`."""
    segment = sizes[start]
    end = start + 1
    if segment == 0:
        return end
    limit = min(len(sizes), start + RUN_DATAGRAMS_MAX)
    room = RUN_BYTES_MAX - segment
    while end < limit and sizes[end] == segment and room >= segment:
        room -= segment
        end += 1
    if end - start >= 2 and end < limit and 0 < sizes[end] < segment and sizes[end] <= room:
        end += 1
    return end
