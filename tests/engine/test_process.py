"""What the process costs, as an engine's pictures tell."""

from __future__ import annotations

import os
import resource
import time

import psutil
import pytest

from tests.harness import Servers, configuration, proxy, until
from udplb.engine import process as process_module
from udplb.engine.process import resident_bytes


def test_every_picture_has_it() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        before = time.process_time()
        told = p.snapshot.process
        assert 0 < told.cpu_s <= before
        assert told.descriptors_max == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        resident = psutil.Process().memory_info().rss
        assert resident / 2 < told.resident_bytes < resident * 2
        p.until(lambda p: p.snapshot.process.cpu_s > before)


def test_a_loop_that_stands_still_is_seen() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        until(lambda: p.do(lambda: time.sleep(0.25)) or p.snapshot.process.loop_lag_s > 0.1)
        assert p.snapshot.process.loop_lag_max_s >= p.snapshot.process.loop_lag_s
        p.until(lambda p: p.snapshot.process.loop_lag_s < 0.1, "a second later it is gone")
        assert p.snapshot.process.loop_lag_max_s > 0.1


def test_where_nobody_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    before = len(os.listdir("/dev/fd"))
    assert resident_bytes() > 0
    assert len(os.listdir("/dev/fd")) == before
    monkeypatch.setattr(process_module, "LINUX", False)
    assert resident_bytes() > 0
    monkeypatch.setattr(process_module, "LINUX", True)
    monkeypatch.setattr(process_module, "_STATM", "/nowhere")
    assert resident_bytes() == 0
