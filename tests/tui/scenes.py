"""Scenes: pictures of a proxy in which every state occurs."""

from __future__ import annotations

from math import sin
from typing import TYPE_CHECKING, Any

import msgspec
from textual.pilot import Pilot

from tests.show.taps import answer, datagram, query, tap
from tests.tui.fake_proxy import NOW, FakeClient
from tests.tui.waiting import settle, until
from udplb.engine import events
from udplb.engine.control.requests import (
    Diff,
    Difference,
    Explain,
    Explanation,
    File,
    FileText,
    Ranked,
    Touched,
)
from udplb.engine.events import Event
from udplb.engine.snapshot import (
    BackendSnapshot,
    ClusterSnapshot,
    ConfigurationSnapshot,
    DrainSnapshot,
    FlowRow,
    ListenerSnapshot,
    ProcessSnapshot,
    ReloadSnapshot,
    Snapshot,
    Totals,
)

if TYPE_CHECKING:
    from udplb.tui.console import Console


def backend(name: str, number: int, **how: Any) -> BackendSnapshot:
    """A backend that is up, but for what is said."""
    flows = how.pop("flows", 4_811 - 109 * number)
    fields: dict[str, Any] = {
        "cluster": "game",
        "name": name,
        "address": f"10.0.0.{10 + number}:5000",
        "weight": 100,
        "backup": False,
        "up": True,
        "reason": "2 probes answered",
        "changed_at": NOW - 3_600,
        "standing": "trusted",
        "ejections": 0,
        "probe_latency_s": 0.0008,
        "answered_share": None,
        "first_reply_s": 0.0009,
        "first_replies": 9_000,
        "draining": False,
        "drain": None,
        "refusals": 0,
        "unreachable": 0,
        "resent": 0,
        "requests": 41_000_000 + number,
        "request_bytes": 5_100_000_000,
        "replies": 40_900_000 + number,
        "reply_bytes": 9_800_000_000,
        "flows": flows,
        "admitted": 120_000,
    }
    return BackendSnapshot(**{**fields, **how})


def busy(*, at: float = 1_000.0, step: float = 0) -> Snapshot:
    """Six backends, of which one drains, one is slow and one down; `step` moves the counters."""
    moved = int(5_400 * step)
    drain = DrainSnapshot(
        lasts_s=72.0, deadline_s=None, way="close", drained=False,
        active=312, quiet=892, quiet_for_s=48.0,
    )  # fmt: skip
    backends = (
        backend("edge-1", 1, requests=41_000_000 + moved, replies=40_900_000 + moved),
        backend("edge-2", 2, requests=40_000_000 + moved, replies=39_900_000 + moved),
        backend("edge-3", 3, flows=1_204, draining=True, drain=drain, requests=39_000_000 + moved),
        backend("edge-4", 4, requests=38_000_000 + moved, probe_latency_s=0.0142),
        backend("edge-5", 5, address="[2001:db8::15]:5000", weight=50, standing="on_trial"),
        backend(
            "edge-6", 6, flows=0, up=False, changed_at=NOW - 36, standing="ejected",
            reason="3 datagrams refused", refusals=3, ejections=1,
        ),
    )  # fmt: skip
    dns = ClusterSnapshot(
        name="dns", balance="hrw", probe="dns", all_down=False, fail_open=True,
        backends=(backend("ns1", 7, cluster="dns", flows=12), backend("ns2", 8, cluster="dns")),
    )  # fmt: skip
    game = ClusterSnapshot(
        name="game", balance="maglev", probe="udp", all_down=False, fail_open=True,
        backends=backends,
    )  # fmt: skip
    traffic: dict[str, Any] = {
        "requests": 200_000_000 + int(20_600 * step),
        "request_bytes": 25_000_000_000 + int(11_750_000 * step),
        "replies": 199_000_000 + int(20_450 * step),
        "reply_bytes": 90_000_000_000 + int(45_000_000 * step),
        "flows": 18_402,
        "admitted": 900_000 + int(156 * step),
    }
    drops = {"denied": 14, "oversize": 2}
    listener = ListenerSnapshot(
        name="game", address="203.0.113.1:5000", cluster="game", receive_buffer=4 << 20,
        receive_queued=0, kernel_drops=3, coalesces=True, closed={"idle": 800_000},
        dropped=drops, shed={"max_flows": 7}, succession_refused=0, resent=2, **traffic,
    )  # fmt: skip
    totals = Totals(
        dropped=16, shed=7, drops=drops, sheds={"max_flows": 7}, kernel_drops=3,
        max_flows=50_000, events_lost=0, probes_in_flight=2, probes_not_made=0, **traffic,
    )  # fmt: skip
    configuration = ConfigurationSnapshot(
        file="/etc/udplb/udplb.toml", generation=14, applied_at=NOW - 290, reloads=13, rejected=1,
        last_reload=ReloadSnapshot(
            at=NOW - 290, sentences=("backend game/edge-5: weight 100 → 50",), took_s=0.04
        ),
        drift=("backend game/edge-3 drains",),
    )  # fmt: skip
    process = ProcessSnapshot(
        cpu_s=5_000.0 + 0.3 * step, resident_bytes=84 << 20, descriptors_max=65_536,
        loop_lag_s=0.0004, loop_lag_max_s=0.0021,
    )  # fmt: skip
    return Snapshot(
        pid=4_242, version="0.5.0", configuration=configuration, at=at + 0.5 * step,
        up_s=273_840.0, state="running", totals=totals, listeners=(listener,),
        clusters=(game, dns), window=None, process=process,
    )  # fmt: skip


def named(engine: str, *, at: float = 1_000.0) -> Snapshot:
    """The same of an engine that gives its name, as all do but those of before."""
    return msgspec.structs.replace(busy(at=at), engine=engine)


def _nothing_yet() -> Snapshot:
    """A proxy that has seen no datagram yet."""
    nothing: dict[str, Any] = dict.fromkeys(
        ("requests", "request_bytes", "replies", "reply_bytes", "flows", "admitted"), 0
    )
    full = busy()
    clusters = tuple(
        msgspec.structs.replace(
            cluster,
            backends=tuple(
                backend(f"{cluster.name}-{n}", n, cluster=cluster.name, **nothing)
                for n in range(1, 4)
            ),
        )
        for cluster in full.clusters
    )
    listener = msgspec.structs.replace(
        full.listeners[0], kernel_drops=0, closed={}, dropped={}, shed={}, resent=0, **nothing
    )
    totals = msgspec.structs.replace(
        full.totals, dropped=0, shed=0, drops={}, sheds={}, kernel_drops=0, **nothing
    )
    return msgspec.structs.replace(
        full, clusters=clusters, listeners=(listener,), totals=totals,
        configuration=ConfigurationSnapshot(file="/etc/udplb/udplb.toml", applied_at=NOW),
    )  # fmt: skip


def flow_rows(number: int = 200) -> tuple[FlowRow, ...]:
    """Flows of many clients, the busiest first."""
    names = ("edge-1", "edge-2", "edge-3", "edge-4", "edge-5")
    return tuple(
        FlowRow(
            id=7_000 + n,
            listener="game",
            client=(
                f"[2001:db8:9:{n:x}::4]:3478" if n % 7 == 2 else f"203.0.113.{n % 250}:{40_000 + n}"
            ),
            backend=names[n % 5],
            backend_address=f"10.0.0.{11 + n % 5}:5000",
            state="leaving" if n % 11 == 5 else "current",
            age_s=41.0 + 37.0 * n,
            idle_s=0.1 * (n % 60),
            first_reply_s=0.0009,
            rate=max(0.0, 912.0 - 11.0 * n),
            requests=90_000 - 400 * n,
            request_bytes=9_000_000 - 40_000 * n,
            replies=89_000 - 400 * n,
            reply_bytes=19_000_000 - 90_000 * n,
            flows=1,
            admitted=1,
        )
        for n in range(number)
    )


def happenings() -> list[Event]:
    """News of all kinds, the oldest first."""
    edge: dict[str, Any] = {"cluster": "game", "backend": "edge-3", "address": "10.0.0.13:5000"}
    down: dict[str, Any] = {"cluster": "game", "backend": "edge-6", "address": "10.0.0.16:5000"}
    return [
        events.EngineStarted(at=NOW - 4_000, listeners=1, max_flows=50_000),
        events.OperatorActed(
            at=NOW - 2_000, who="ana (pid 4711)", command="udplb weight game/edge-5 50",
            result="backend game/edge-5: weight 100 → 50", done=True,
        ),
        events.ConfigurationRejected(
            at=NOW - 300,
            problems=("udplb.toml:31: clusters.game.backends[2].weight: -5 is not from 0 to 1000",),
        ),
        events.ConfigurationChanged(
            at=NOW - 290, generation=14, why="the file was saved",
            sentences=("backend game/edge-5: weight 100 → 50",),
        ),
        events.BackendDrainBegan(at=NOW - 72, flows=4_400, deadline_s=None, way="close", **edge),
        events.BackendWentDown(at=NOW - 36, reason="3 datagrams refused", **down),
    ]  # fmt: skip


FILE = """\
# The front of the game, and of our names.
[engine]
drain_timeout = "30s"
hash_seed = "a secret that all machines share"

[[listeners]]
name = "game"
address = "203.0.113.1:5000"
cluster = "game"
max_flows_per_source = 100

[clusters.game]
profile = "session"
balance = "maglev"      # many clients, few backends

[[clusters.game.backends]]
name = "edge-1"
address = "10.0.0.11:5000"
weight = 100

[[clusters.game.backends]]
name = "edge-5"
address = "[2001:db8::15]:5000"
weight = 50
"""
BAD_WEIGHT = "/etc/udplb/udplb.toml:24: clusters.game.backends[1].weight: -5; allowed: 0 to 1000"


def proxy(*, empty: bool = False, bad_file: bool = False) -> FakeClient:
    """A proxy that answers whatever a console asks."""
    snapshot = _nothing_yet() if empty else busy()
    text = FILE.replace("weight = 50", "weight = -5") if bad_file else FILE
    if bad_file:
        reload = ReloadSnapshot(at=NOW - 12, problems=(BAD_WEIGHT,))
        configuration = msgspec.structs.replace(snapshot.configuration, last_reload=reload)
        snapshot = msgspec.structs.replace(snapshot, configuration=configuration)
    client = FakeClient(snapshot, rows=() if empty else flow_rows())
    client.tap = tap(
        datagram(query(), at=NOW - 2.031),
        datagram(answer("A 192.0.2.1"), at=NOW - 2.030, to_backend=False),
        datagram(query("www.example.com", "AAAA"), at=NOW - 0.512),
        datagram(answer("AAAA 2001:db8::1", name="www.example.com", kind="AAAA"),
                 at=NOW - 0.511, to_backend=False),
        datagram(bytes(range(48)), at=NOW - 0.1),
        flow=7_000, client="203.0.113.0:40000",
    )  # fmt: skip
    client.answers[File] = lambda request: FileText(
        file="/etc/udplb/udplb.toml", text=text, cut=False, in_force=not bad_file
    )
    client.answers[Diff] = lambda request: Difference(
        file="/etc/udplb/udplb.toml",
        problems=(BAD_WEIGHT,) if bad_file else (),
        on_reload=(
            Touched(sentence="cluster game: balance maglev → hrw", flows=0),
            Touched(sentence="cluster game: backend edge-6 (10.0.0.16:5000) removed", flows=0),
        ),
        drift=(Touched(sentence="cluster game: backend edge-3 drains", flows=1_204),),
        dropped=(),
        flows=18_402,
    )
    client.answers[Explain] = lambda request: Explanation(
        listener="game", client=request.client, cluster="game", balance="maglev",
        affinity="source_ip", hash_key="203.0.113.0", hash="7f3a91c2d4e5f607",
        ranked=(
            Ranked(name="edge-1", address="10.0.0.11:5000", usable=True, note="slot 41"),
            Ranked(name="edge-3", address="10.0.0.13:5000", usable=False, note="drains"),
        ),
        chosen="edge-1", why="slot 41 of 65,537 is edge-1's (weight 100)", barred=None,
        flows=(), last_drop=None,
    )  # fmt: skip
    return client


async def play(app: Console, pilot: Pilot[None], client: FakeClient) -> None:
    """A few pictures and events, so that graphs and lists have something to show."""
    now = [NOW - 60.0]
    app.wall_clock = lambda: now[0]
    await until(pilot, lambda: app.model.snapshot is not None)
    await until(pilot, lambda: any(each.request.events for each in client.streams))
    await settle(pilot, client)  # a subscription made later would bring an older picture
    last = client.snapshot
    if client.rows:
        for step in range(1, 61):
            now[0] = NOW - 60.0 + step
            moved = msgspec.structs.replace(
                busy(step=2 * step + 6 * sin(step / 5) + 0.3 * (step % 3)), at=1_000.0 + step
            )
            last = msgspec.structs.replace(moved, configuration=last.configuration)
            app.model.took([last], now[0])
        client.tell(*happenings())
        await until(pilot, lambda: len(app.model.events) == len(happenings()))
    now[0] = NOW
    client.show(last)
    await settle(pilot, client)
    app.draw()  # a dialog that is opened now leaves what is behind it as it is
    await settle(pilot, client)
