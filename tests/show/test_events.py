from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.show.pictures import HOSTILE, NOW
from udplb.engine import events
from udplb.engine.events import Event
from udplb.show.events import (
    DETAILS_MAX,
    KIND_WIDTH,
    kind_of,
    line_of_event,
    page_of_event,
    tell,
)
from udplb.show.plain import text_of

WHERE: dict[str, Any] = {"cluster": "dns", "backend": "edge-3", "address": "10.0.0.13:53"}
FLOW: dict[str, Any] = {"flow": 7, "listener": "dns", "client": "1.2.3.4:5", "backend": "edge-3"}
SENTENCES: list[tuple[Event, str]] = [
    (
        events.EngineStarted(at=NOW, listeners=2, max_flows=14_000),
        "forwarding: listeners: 2, at most 14,000 flows",
    ),
    (events.EngineStopped(at=NOW, closed_flows=0), "ended"),
    (events.EngineStopped(at=NOW, closed_flows=3), "ended; 3 flows had to be closed"),
    (
        events.ListenerBound(
            at=NOW, listener="dns", address="[::]:53", cluster="dns", receive_buffer=1
        ),
        "listener dns: [::]:53 → cluster dns",
    ),
    (
        events.DrainBegan(at=NOW, live=4, deadline_s=30.0),
        "the proxy drains: 4 flows left, at most 30s",
    ),
    (
        events.BackendWentDown(at=NOW, reason="3 probes failed", **WHERE),
        "dns/edge-3 (10.0.0.13:53) is down: 3 probes failed",
    ),
    (
        events.BackendCameUp(at=NOW, reason="2 probes succeeded", **WHERE),
        "dns/edge-3 (10.0.0.13:53) is up: 2 probes succeeded",
    ),
    (
        events.ClusterWentDown(at=NOW, cluster="dns", fail_open=True),
        "cluster dns: none is up that takes new flows; they are spread over all of them",
    ),
    (
        events.ClusterWentDown(at=NOW, cluster="dns", fail_open=False),
        "cluster dns: none is up that takes new flows; they are dropped",
    ),
    (events.ClusterCameUp(at=NOW, cluster="dns"), "cluster dns: a backend is up again"),
    (
        events.BackendDrainBegan(at=NOW, flows=12, deadline_s=60.0, way="move", **WHERE),
        "dns/edge-3 (10.0.0.13:53) drains: 12 flows left, at most 1m00s, then move",
    ),
    (
        events.BackendDrainBegan(at=NOW, flows=1, deadline_s=None, way="move", **WHERE),
        "dns/edge-3 (10.0.0.13:53) drains: 1 flow left",
    ),
    (
        events.BackendDrainExpired(at=NOW, flows=2, way="close", **WHERE),
        "dns/edge-3 (10.0.0.13:53): its drain's deadline is over, 2 flows left: close",
    ),
    (
        events.BackendDrained(at=NOW, took_s=60.0, **WHERE),
        "dns/edge-3 (10.0.0.13:53) is drained, after 1m00s",
    ),
    (
        events.BackendDrainEnded(at=NOW, **WHERE),
        "dns/edge-3 (10.0.0.13:53) takes new flows again",
    ),
    (
        events.ConfigurationChanged(at=NOW, generation=3, why="SIGHUP", sentences=("a", "b")),
        "configuration #3 in force (SIGHUP): a; b",
    ),
    (
        events.ConfigurationRejected(at=NOW, problems=("f:1: x", "f:2: y")),
        "the file is not applied, it has 2 problems: f:1: x; f:2: y",
    ),
    (
        events.ConfigurationSaved(at=NOW, file="/etc/u.toml", sentences=("a",)),
        "saved into /etc/u.toml: a",
    ),
    (
        events.OperatorActed(at=NOW, who="root", command="udplb save", result="saved", done=True),
        "root: udplb save: saved",
    ),
    (events.FlowAdmitted(at=NOW, **FLOW), "flow 7: 1.2.3.4:5 → dns → edge-3 opened"),
    (
        events.FlowClosed(
            at=NOW, reason="idle", age_s=31.0, requests=2, request_bytes=77, replies=1,
            reply_bytes=1_300, **FLOW,
        ),
        "flow 7: 1.2.3.4:5 → dns → edge-3 closed, idle, after 31s: 2 requests (77 B),"
        " 1 replies (1.3 KiB)",
    ),
    (events.Missed(at=NOW, count=214), "214 events missed here: they came too fast"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "sentence"), SENTENCES)
def test_a_line_for_a_pipe(event: Event, sentence: str) -> None:
    time, kind, said = line_of_event(event).split(maxsplit=2)
    assert (time, kind, said) == ("2026-11-18T11:06:40Z", kind_of(event), sentence)
    assert len(kind) <= KIND_WIDTH


@pytest.mark.parametrize(("event", "sentence"), SENTENCES)
def test_for_people(event: Event, sentence: str) -> None:
    first = text_of(page_of_event(event)).splitlines()[0]
    told = tell(event)
    assert first == f"11:06:40Z {told.glyph} {told.sentence}"
    assert sentence.startswith(told.sentence)


def test_every_kind_is_told_in_its_own_words() -> None:
    told = {type(event) for event, _ in SENTENCES}
    kinds = {each for each in vars(events).values() if isinstance(each, type)}
    kinds = {each for each in kinds if issubclass(each, Event) and not each.__subclasses__()}
    assert kinds == told


def test_of_another_version() -> None:
    class MoonRose(Event, frozen=True, kw_only=True):
        where: str

    line = line_of_event(MoonRose(at=NOW, where="east"))
    assert line.split(maxsplit=2)[1:] == ["moon_rose", "moon rose: where east"]


def test_details_stand_below_and_have_an_end() -> None:
    problems = tuple(f"f:{n}: wrong" for n in range(DETAILS_MAX + 2))
    text = text_of(page_of_event(events.ConfigurationRejected(at=NOW, problems=problems)))
    first, second, *_, last = text.splitlines()
    assert "it has 22 problems" in first
    assert second == " " * 12 + "f:0: wrong"
    assert last == " " * 12 + "… 2 more"


@pytest.mark.parametrize(("event", "sentence"), SENTENCES)
def test_nothing_hostile_passes(event: Event, sentence: str) -> None:
    fields: dict[str, Any] = {
        name: HOSTILE if isinstance(value, str) else (HOSTILE,) if value == () else value
        for name, value in msgspec.structs.asdict(event).items()
    }
    evil = type(event)(**fields)
    assert line_of_event(evil).isprintable()
    assert "\x1b" not in text_of(page_of_event(evil))
