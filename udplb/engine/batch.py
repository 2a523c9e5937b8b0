"""Batches: many datagrams of one socket in one system call (recvmmsg(2), Linux).

Python's socket module receives one datagram a call; the call's way through the interpreter and
its lock, and the address built for every datagram, cost as much as the kernel's own work. So a
listener's round calls the C library, and takes apart in bulk what that wrote.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from mmap import mmap

from udplb.engine.kernel import ANCILLARY_MAX, LINUX, RECEIVE_MAX

BATCH_DATAGRAMS = 128
"""What one call brings at most."""
LAYOUTS_KEPT = 256

_DATAGRAM_STRIDE = RECEIVE_MAX + 193
"""Not a power of two: the heads of all datagrams would share a few lines of the cache."""
_NAME_STRIDE = 32
"""A `sockaddr_in6` and four bytes."""
_MSG_DONTWAIT = 0x40


class _Piece(ctypes.Structure):
    """`struct iovec`."""

    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """`struct msghdr`."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_size", ctypes.c_uint),
        ("pieces", ctypes.POINTER(_Piece)),
        ("pieces_count", ctypes.c_size_t),
        ("ancillary", ctypes.c_void_p),
        ("ancillary_size", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """`struct mmsghdr`: a header, and how many bytes were received."""

    _fields_ = (("header", _Header), ("received", ctypes.c_uint))


_MESSAGE_SIZE = ctypes.sizeof(_Message)


class Batch:
    """Buffers for receive calls: 8 MiB, of which only what datagrams fill becomes real memory."""

    def __init__(self) -> None:
        count = BATCH_DATAGRAMS
        self._datagrams = mmap(-1, count * _DATAGRAM_STRIDE)  # unlike a bytearray, untouched
        self._datagrams_view = memoryview(self._datagrams)
        self._names = bytearray(count * _NAME_STRIDE)
        self._ancillaries = bytearray(count * ANCILLARY_MAX)
        self._no_ancillaries = bytes(self._ancillaries)
        self._messages = bytearray(count * _MESSAGE_SIZE)
        self._pieces = (_Piece * count)()
        self._point_at_buffers(count)
        self._place = _place_of(self._messages)
        self._pristine = memoryview(bytes(self._messages))
        self._written = 0
        """How many bytes of the headers the last call wrote to."""
        words = memoryview(self._messages).cast("I")
        self._sizes = words[_Message.received.offset // 4 :: _MESSAGE_SIZE // 4]
        self._call = _recvmmsg()

    def shrink(self) -> None:
        """Forget what was kept for speed alone: old small objects pin whole arenas of memory."""
        _layout.cache_clear()

    def _point_at_buffers(self, count: int) -> None:
        datagrams, names = _place_of(self._datagrams), _place_of(self._names)
        ancillaries = _place_of(self._ancillaries)
        messages = (_Message * count).from_buffer(self._messages)
        for number in range(count):
            piece = self._pieces[number]
            piece.base, piece.size = datagrams + number * _DATAGRAM_STRIDE, RECEIVE_MAX
            header = messages[number].header
            header.name, header.name_size = names + number * _NAME_STRIDE, _NAME_STRIDE
            header.pieces, header.pieces_count = ctypes.pointer(piece), 1
            header.ancillary = ancillaries + number * ANCILLARY_MAX
            header.ancillary_size = ANCILLARY_MAX

    def receive(self, fd: int, datagrams_max: int) -> int:
        """Receive what waits in the socket, at most BATCH_DATAGRAMS; how many datagrams that were.

        OSError as the socket raises it. What came stays until the next call.
        """
        written = self._written
        if written:  # the kernel writes sizes where it reads limits
            self._messages[:written] = self._pristine[:written]
            self._written = 0
        count = self._call(fd, self._place, datagrams_max, _MSG_DONTWAIT, None)
        if count > 0:
            self._written = count * _MESSAGE_SIZE
            return count
        error = OSError(ctypes.get_errno(), "recvmmsg")
        if isinstance(error, BlockingIOError):
            return 0
        raise error

    def names(self, count: int, size: int) -> Sequence[bytes]:
        """The senders of the first `count` datagrams: a `sockaddr` of `size` bytes each."""
        return _layout(size, _NAME_STRIDE, count).unpack_from(self._names)

    def ancillaries(self, count: int) -> Sequence[bytes]:
        """Their control messages as the kernel left them, behind the last one zeros."""
        found = _layout(ANCILLARY_MAX, ANCILLARY_MAX, count).unpack_from(self._ancillaries)
        self._ancillaries[:] = self._no_ancillaries
        return found

    def sizes(self, count: int) -> list[int]:
        """The sizes of the first `count` datagrams in bytes."""
        return self._sizes[:count].tolist()

    def datagrams(self, sizes: Sequence[int]) -> Sequence[bytes]:
        """Copies of the first datagrams, which have these sizes; made at once where all are of
        one, as they mostly are."""
        size, count = sizes[0], len(sizes)
        if sizes.count(size) == count:
            return _layout(size, _DATAGRAM_STRIDE, count).unpack_from(self._datagrams)
        view, start = self._datagrams_view, 0
        datagrams = []
        for size in sizes:
            datagrams.append(view[start : start + size].tobytes())
            start += _DATAGRAM_STRIDE
        return datagrams


@lru_cache(maxsize=LAYOUTS_KEPT)
def _layout(size: int, stride: int, count: int) -> struct.Struct:
    """`count` pieces of `size` bytes, each beginning `stride` bytes behind the one before it."""
    return struct.Struct(f"{size}s{stride - size}x" * (count - 1) + f"{size}s")


def _place_of(buffer: bytearray | mmap) -> int:
    """The address of a buffer's memory; it stays as long as the buffer keeps its size."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


@cache
def has_batches() -> bool:
    """Whether this system receives many datagrams in one call."""
    return LINUX and hasattr(ctypes.CDLL(None), "recvmmsg")


def _recvmmsg() -> Callable[[int, int, int, int, None], int]:
    call = ctypes.CDLL(None, use_errno=True).recvmmsg
    call.restype = ctypes.c_int
    call.argtypes = (
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_uint,
        ctypes.c_int,
        ctypes.c_void_p,
    )
    return call
