from __future__ import annotations

from msgspec.structs import replace

from tests.show.pictures import (
    HOSTILE,
    NOW,
    backend,
    cluster,
    configuration,
    later,
    listener,
    snapshot,
    totals,
)
from udplb.engine.snapshot import ConfigurationSnapshot, ReloadSnapshot, Snapshot
from udplb.show.paces import paces_between
from udplb.show.page import Facts, Role, Table
from udplb.show.plain import text_of
from udplb.show.status import SENTENCES_MAX, page_of_clusters, page_of_status


def facts(given: Snapshot) -> dict[str, str]:
    """What people read: title and text."""
    return {
        fact.title: fact.value.text
        for block in page_of_status(given, NOW)
        if isinstance(block, Facts)
        for fact in block.facts
        if fact.title
    }


def words(given: Snapshot) -> dict[str, str]:
    """What programs read: the first word of a line, and the rest."""
    pairs = (each.split(maxsplit=1) for each in text_of(page_of_status(given, NOW)).splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def test_for_people() -> None:
    assert facts(snapshot()) == {
        "udplb": "● RUNNING for 3d04h",
        "version": "0.1.0, process 4711",
        "file": "/etc/udplb/udplb.toml",
        "configured": "#14, applied 2h11m ago",
        "reloads": "11 applied, 2 rejected",
        "last reload": "● APPLIED 2h11m ago in 12.4 ms: 1 change",
        "drift": "1 change by operators",
        "restart": "1 change of the file awaits one",
        "flows": "212 of 14,000 (1.5%), 4,711 since the start",
        "in": "18,402 datagrams, 1.2 MiB",
        "out": "18,001 datagrams, 90 MiB",
        "dropped": "16 datagrams: max_flows 14, oversize 2",
        "shed": "9 flows: max_flows 9",
        "kernel drops": "7 datagrams that the kernel dropped (raise receive_buffer)",
    }


def test_for_programs() -> None:
    found = words(snapshot())
    expected = {
        "state": "RUNNING", "up_s": "273600.0", "version": "0.1.0", "pid": "4711",
        "file": "/etc/udplb/udplb.toml", "generation": "14", "reloads": "11", "rejected": "2",
        "last_reload": "applied 2026-11-18T08:55:40Z", "drift": "1",
        "drifted": "dns/edge-3: drained here, active in the file", "awaiting_restart": "1",
        "awaits_restart": "upstream_port_rest 1 s → 2 s", "flows": "212", "max_flows": "14000",
        "admitted": "4711", "requests": "18402", "request_bytes": "1258291", "replies": "18001",
        "reply_bytes": "94371840", "dropped": "16", "shed": "9", "kernel_drops": "7",
    }  # fmt: skip
    assert {key: found.get(key) for key in expected} == expected


def test_an_engine_of_a_program_that_has_just_begun() -> None:
    given = snapshot(
        configuration=ConfigurationSnapshot(), listeners=(listener(dropped={}, shed={}),),
        totals=totals(dropped=0, shed=0, kernel_drops=0, max_flows=0), clusters=(),
    )  # fmt: skip
    found = facts(given)
    assert found["file"] == "-"
    assert found["configured"] == "#1"
    assert found["last reload"] == "none since the start"
    assert (found["drift"], found["restart"]) == ("none", "nothing awaits one")
    assert (found["dropped"], found["shed"], found["kernel drops"]) == ("none",) * 3
    assert found["flows"] == "212, 4,711 since the start"


def test_a_rejected_file_and_its_problems() -> None:
    problems = tuple(f"udplb.toml:{line}: weight: found -5" for line in range(1, 41))
    last = ReloadSnapshot(at=NOW - 36, problems=problems)
    given = snapshot(configuration=configuration(last_reload=last))
    assert facts(given)["last reload"] == "✖ REJECTED 36s ago: 40 problems"
    assert words(given)["last_reload"] == "rejected 2026-11-18T11:06:04Z"
    assert text_of(page_of_status(given, NOW)).count("\nproblem ") == 40
    (block, *_) = page_of_status(given, NOW)
    assert isinstance(block, Facts)
    seen = [fact.value.text for fact in block.facts if fact.title == ""]
    assert sum(text in problems for text in seen) == SENTENCES_MAX
    assert "… 20 more, see --json" in seen


def test_paces_are_shown_where_there_are_any() -> None:
    page = page_of_status(later(2), NOW, paces_between(snapshot(), later(2)))
    text = text_of(page)
    assert "requests_per_s  1000.0" in text
    assert "REQUESTS_PER_S" in text
    assert "requests_per_s" not in text_of(page_of_status(later(2), NOW))


def test_clusters() -> None:
    all_down = cluster("quic", all_down=True, fail_open=False, backends=(backend(up=False),))
    well = cluster("ntp", backends=(backend(cluster="ntp"),))
    (table,) = page_of_clusters((cluster(), all_down, well))
    assert isinstance(table, Table)
    ups = [(row[1].text, row[1].word, row[1].role) for row in table.rows]
    assert ups == [
        ("▲ 6 of 8", "6/8", Role.WAITING),
        ("✖ 0 of 1", "0/1", Role.BAD),
        ("● 1 of 1", "1/1", Role.GOOD),
    ]
    assert [row[-1].word for row in table.rows] == [
        "2 draining",
        "none is up that takes new flows: they are dropped",
        "-",
    ]


def test_only_odd_backends_are_named() -> None:
    text = text_of(page_of_status(snapshot(), NOW))
    assert "dns/edge-5" in text
    assert "dns/edge-1" not in text
    well = snapshot(clusters=(cluster(backends=(backend(),)),))
    assert "BACKEND" not in text_of(page_of_status(well, NOW))
    many = tuple(backend(f"b{n}", up=False) for n in range(SENTENCES_MAX + 3))
    text = text_of(page_of_status(snapshot(clusters=(cluster(backends=many),)), NOW))
    assert "… 3 more, see udplb backends" in text
    assert text.count("  DOWN") == SENTENCES_MAX


def test_nothing_hostile_passes() -> None:
    evil = snapshot(
        version=HOSTILE, state="running",
        configuration=configuration(file=HOSTILE, drift=(HOSTILE,)),
        listeners=(listener(name=HOSTILE),),
        clusters=(cluster(HOSTILE, backends=(backend(HOSTILE, up=False, reason=HOSTILE),)),),
    )  # fmt: skip
    plain = text_of(page_of_status(evil, NOW))
    assert "\x1b" not in plain
    normal = replace(evil, version="v")
    assert len(plain.splitlines()) == len(text_of(page_of_status(normal, NOW)).splitlines())
