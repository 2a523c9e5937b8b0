"""The process: what it costs its machine, read whenever a picture is made."""

from __future__ import annotations

import os
import resource
import time

import psutil

from udplb.engine.kernel import LINUX
from udplb.engine.lag import REMEMBERED_S, LagMeter
from udplb.engine.snapshot import ProcessSnapshot

RECENT_S = 1.0
"""Seconds over which the loop's lag counts as that of now."""

_PAGE_BYTES = resource.getpagesize()
_STATM = "/proc/self/statm"


def picture_of_process(lag: LagMeter) -> ProcessSnapshot:
    """What there is to tell of it now."""
    return ProcessSnapshot(
        cpu_s=time.process_time(),
        resident_bytes=resident_bytes(),
        descriptors_max=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        loop_lag_s=lag.worst(RECENT_S),
        loop_lag_max_s=lag.worst(REMEMBERED_S),
    )


def resident_bytes() -> int:
    """Bytes of its memory that are in the machine's; 0 where nobody tells."""
    try:
        if not LINUX:
            return int(psutil.Process().memory_info().rss)
        descriptor = os.open(_STATM, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return int(os.read(descriptor, 256).split()[1]) * _PAGE_BYTES
        finally:
            os.close(descriptor)
    except (OSError, psutil.Error):  # descriptors may be short
        return 0
