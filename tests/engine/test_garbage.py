"""The garbage collector spares the datapath: no full collection runs by itself."""

from __future__ import annotations

import gc
import subprocess
import sys

from tests.harness import REPOSITORY
from udplb.engine.garbage import FEW_FLOWS, MANY_FLOWS, MemoryReturn

SCRIPT = f"""
import gc, sys, time
sys.path[:0] = [{str(REPOSITORY)!r}]
from tests.harness import Servers, Udp, configuration, proxy
from udplb.core.settings import FlowTerms
from udplb.engine.garbage import spare_the_datapath

full, slowest, began = 0, 0.0, 0.0
def watch(phase, info):
    global full, slowest, began
    if phase == "start":
        began = time.perf_counter()
        full += info["generation"] == 2
    else:
        slowest = max(slowest, time.perf_counter() - began)

ballast = [[number] for number in range(300_000)]
terms = FlowTerms(responses=1)
with Servers() as servers, proxy(configuration(*servers.names, terms=terms, rest=0.0)) as p:
    spare_the_datapath()
    gc.callbacks.append(watch)
    client = Udp()
    for number in range(3_000):
        assert client.ask(b"%d" % number, p.at) == b"%d" % number
    p.until(lambda p: p.listener.closed.get("answered") == 3_000)
    gc.callbacks.clear()
    # Reference counting alone freed all of it: there was no cycle.
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    left = [type(each).__name__ for each in gc.garbage]
    assert not {{"Flow", "Upstream", "Train", "Run", "socket"}} & set(left), left[:50]
print(f"full collections {{full}}, slowest young one {{slowest * 1000:.2f}} ms")
assert full == 0
"""


def test_flows_make_no_cycles_and_no_full_collection_runs() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False
    )
    print(done.stdout)
    assert done.returncode == 0, done.stderr


def test_this_process_was_left_alone() -> None:
    assert gc.get_threshold()[2] < 1_000_000


def test_memory_is_given_back_when_most_of_many_flows_have_ended() -> None:
    memory = MemoryReturn()
    assert not memory.flows_live(MANY_FLOWS - 1)
    assert not memory.flows_live(0), "there were not many"
    assert not memory.flows_live(MANY_FLOWS)
    assert not memory.flows_live(FEW_FLOWS + 1)
    assert memory.flows_live(FEW_FLOWS)
    assert memory.flows_live(0), "and once more for the last ones"
    assert not memory.flows_live(0)
