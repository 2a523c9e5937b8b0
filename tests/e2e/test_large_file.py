"""A file of 10,000 lines with 2,000 backends is saved: when it is in force, and who has to wait.

The longest pause of the datapath is seen from outside, by a datagram a millisecond. UDPLB_FULL=1
takes all shapes of the file and more kinds of saves.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.e2e.control import (
    Pinger,
    Running,
    Told,
    Window,
    cluster,
    engine,
    has_priorities,
    listener,
    pinger,
    run_delay_s,
    running,
    text_of,
)
from tests.e2e.control import backend as written
from tests.e2e.test_many_backends import ECHO
from tests.harness import need_linux, until
from tests.programs import free_port, process
from udplb.engine.events import ConfigurationChanged

pytestmark = pytest.mark.e2e

BACKENDS, LINES = 2_000, 10_000
QUIET_S = 1.0
WANTED_S = 0.020
SANE_S = 0.150 if has_priorities() else 1.0
"""Reading such a file in the loop would take more."""
FULL = bool(os.environ.get("UDPLB_FULL"))

PROBED = """
[clusters.{name}.health]
probe = "udp"
send = "are you there?"
interval = "5s"
"""

Edit = Callable[[str], str]


def shape(socket: Path, port: int, pinged: int, server: int, clusters: int, balance: str) -> str:
    """The file: the cluster that is pinged, and `clusters` with all the backends."""
    tables = [engine(socket), listener("pinged", port, "pinged")]
    tables.append(cluster("pinged", [written(f"127.0.0.1:{pinged}")]))
    each = BACKENDS // clusters
    for number in range(clusters):
        name = f"big{number}"
        tables.append(listener(name, port + 2 + number, name))
        backends = [
            f"# {what}\n" + written(f"127.2.{what // 250}.{what % 250 + 1}:{server}", f"b{what}")
            + f"\nweight = {1 + what % 7}"
            for what in range(number * each, (number + 1) * each)
        ]  # fmt: skip
        tables.append(cluster(name, backends, f'balance = "{balance}"'))
    return text_of(*tables)


def probed(text: str, clusters: int) -> str:
    return text + "".join(PROBED.format(name=f"big{number}") for number in range(clusters))


EDITS: dict[str, Edit] = {
    "one weight": lambda text: text.replace("weight = 1\n", "weight = 2\n", 1),
    "2,000 weights": lambda text: text.replace("weight = ", "weight = 1"),
    "2,000 names": lambda text: text.replace('name = "b', 'name = "n'),
    "2,000 addresses": lambda text: text.replace('"127.2.', '"127.4.'),
    "all timeouts": lambda text: text.replace("balance =", 'front_timeout = "9s"\nbalance ='),
}
USUAL = ("one weight", "2,000 weights", "2,000 addresses")

SHAPES = [
    pytest.param("maglev", 1, True, id="maglev-probed"),
    pytest.param("hrw", 20, True, id="20-clusters-probed"),
]
if FULL:
    SHAPES += [
        pytest.param("hrw", 1, False, id="hrw"),
        pytest.param("hrw", 1, True, id="hrw-probed"),
        pytest.param("maglev", 1, False, id="maglev"),
        pytest.param("hrw", 20, False, id="20-clusters"),
    ]


@contextmanager
def scene(folder: Path, balance: str, clusters: int, probes: bool) -> Iterator[Scene]:
    port, socket, file = free_port(), folder / "s", folder / "udplb.toml"
    pinged, server = port + 1, port + 30
    text = shape(socket, port, pinged, server, clusters, balance)
    text = probed(text, clusters) if probes else text
    assert text.count("\n") >= LINES
    file.write_text(text)
    with ExitStack() as stack:
        stack.enter_context(process([sys.executable, "-c", ECHO, server], "ready"))
        proxy = stack.enter_context(running(file, socket, undisturbed=True))
        pings = stack.enter_context(pinger(port, pinged))
        told = stack.enter_context(Told(proxy))
        yield Scene(proxy, pings, told, text)


class Scene:
    """A proxy of a large file, somebody who pings through it, and what it tells."""

    def __init__(self, proxy: Running, pings: Pinger, told: Told, text: str) -> None:
        self.proxy, self.pings, self.told, self.text = proxy, pings, told, text

    def quiet(self) -> Window:
        """The same time without a save."""
        self.pings.window()
        time.sleep(QUIET_S)  # what happens in a time
        return self.pings.window()

    def saved(self, text: str) -> tuple[float, float, Window]:
        """Seconds from the save to its application, those from its being seen, and the pings."""
        self.pings.window()
        began = time.monotonic()
        verdict = self.told.judged(self.proxy.file.write_text, text)
        took = time.monotonic() - began
        assert isinstance(verdict, ConfigurationChanged), verdict
        time.sleep(0.2)  # what follows a change
        window = self.pings.window()
        last = self.proxy.status().configuration.last_reload
        assert last is not None
        return took, last.took_s, window


@pytest.mark.parametrize(("balance", "clusters", "probes"), SHAPES)
def test_a_large_file(tmp_path: Path, balance: str, clusters: int, probes: bool) -> None:
    need_linux()
    with scene(tmp_path, balance, clusters, probes) as s:
        until(lambda: s.pings.window().count > 0, "pings")
        delay = run_delay_s(s.proxy.pid)
        shown = [f"\n10,000 lines, 2,000 backends, {balance}, {clusters} clusters, probes {probes}"]
        quiet = s.quiet()
        shown.append(f"  quiet: {quiet}")
        for name in EDITS if FULL else USUAL:
            took, seen, window = s.saved(EDITS[name](s.text))
            slow = "" if window.longest_s <= WANTED_S else f": MORE THAN {WANTED_S * 1e3:.0f} ms"
            shown.append(
                f"  {name}: in force {took:.2f} s after the save ({seen:.2f} s after it was seen),"
                f" {window}{slow}"
            )
            assert window.lost == 0
            assert window.longest_s < SANE_S
        waited = run_delay_s(s.proxy.pid) - delay
        shown.append(f"  its threads waited for a processor {waited * 1e3:.0f} ms in all")
        print("\n".join(shown))
        assert s.proxy.alive
        assert quiet.lost == 0
