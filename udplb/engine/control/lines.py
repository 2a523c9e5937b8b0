"""Lines: what arrives in pieces, cut at its newlines; what waits is bounded."""

from __future__ import annotations


class LineTooLongError(Exception):
    """More bytes than a line may have came without a newline."""


class Lines:
    """Takes bytes as they come and gives lines.

    Who feeds it only after `take` has found no line holds at most `bytes_max` and one read.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._buffer = bytearray()
        self._searched = 0
        """Bytes of the buffer that are known to hold no newline."""

    def __len__(self) -> int:
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take what came."""
        self._buffer += data

    def take(self) -> bytes | None:
        """The next line, without its newline; None if it is not complete yet.

        Raises LineTooLongError as soon as it is longer than `bytes_max`.
        """
        end = self._buffer.find(b"\n", self._searched)
        if end > self._bytes_max or (end < 0 and len(self._buffer) > self._bytes_max):
            raise LineTooLongError
        if end < 0:
            self._searched = len(self._buffer)
            return None
        line = bytes(memoryview(self._buffer)[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return line

    def rest(self) -> bytes | None:
        """The last line, which no newline ends; None if there is nothing left."""
        line = bytes(self._buffer)
        self._buffer.clear()
        self._searched = 0
        return line or None
