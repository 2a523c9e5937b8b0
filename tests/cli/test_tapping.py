from __future__ import annotations

import stat
from itertools import count
from pathlib import Path

import msgspec
import pytest

from tests.cli.conftest import Run
from tests.cli.fakes import CtrlC, FakeClient, without_styles
from tests.show.pictures import HOSTILE, NOW, snapshot
from tests.show.taps import datagram, query, tap
from udplb.cli import tapping
from udplb.cli.endings import DONE
from udplb.cli.output import Output
from udplb.cli.tapping import CAPTURE_DATAGRAMS_MAX, End, News, Teller, follow_tap
from udplb.client.interface import Item, Lost, Resumed
from udplb.engine.control.requests import Refused, Subscribe
from udplb.engine.snapshot import TAP_DATAGRAMS_MAX, TappedDatagram, TapSnapshot
from udplb.show.pcap import pcap_of

GONE = Lost(at=NOW, why="it ended", retry_in_s=1.0)
BACK = Resumed(missed_s=2.0)


def numbered(*numbers: int) -> tuple[TappedDatagram, ...]:
    """Each says its number, and came so many seconds after the epoch's pictures."""
    return tuple(datagram(b"number %d" % n, at=NOW + n) for n in numbers)


def look(*numbers: int, seen: int | None = None, live: bool = True) -> list[Item]:
    """A snapshot with the tap of these datagrams."""
    seen = max(numbers, default=0) if seen is None else seen
    return [snapshot(tap=tap(*numbered(*numbers), seen=seen, live=live))]


def shown(out: str) -> list[int]:
    """Which datagrams a pipe got."""
    return [int(each.split("|number ")[1].rstrip("|")) for each in out.splitlines()]


def test_each_datagram_is_shown_once(run: Run) -> None:
    script = [look(), look(1, 2), [], look(1, 2), look(1, 2, 3), CtrlC]
    ran = run("tap 7", script=script)
    assert (ran.code, ran.err) == (0, "")
    assert shown(ran.out) == [1, 2, 3]
    assert ran.client.subscribed == Subscribe(events=False, tap=7, interval_s=0.2)
    assert ran.client.stream.closed
    assert ran.client.closed


def test_watch_changes_nothing(run: Run) -> None:
    assert shown(run("tap 7 --watch", script=[look(1), look(1, 2)]).out) == [1, 2]


def test_gaps_go_on_from_look_to_look(run: Run) -> None:
    ran = run("tap 7", script=[look(1), look(1, 3, seen=2)])
    assert [each.split()[3] for each in ran.out.splitlines()] == ["-", "2.000000"]


@pytest.mark.parametrize("came", [TAP_DATAGRAMS_MAX, TAP_DATAGRAMS_MAX + 1, 1_000])
def test_more_came_than_a_tap_keeps(run: Run, came: int) -> None:
    there = range(came + 1, came + 1 + TAP_DATAGRAMS_MAX)
    ran = run("tap 7", script=[look(1), look(*(n - TAP_DATAGRAMS_MAX + 1 for n in there))])
    assert shown(ran.out)[-1] == came + 1
    unseen = came - TAP_DATAGRAMS_MAX
    assert len(shown(ran.out)) == 1 + TAP_DATAGRAMS_MAX
    said = f"udplb: {unseen} datagram{'s' * (unseen > 1)} not seen: more came than a tap keeps\n"
    assert ran.err == (said if unseen else "")
    gap = ran.out.splitlines()[1].split()[3]
    assert gap == ("-" if unseen else "1.000000")


def test_what_another_taps_already_is_shown(run: Run) -> None:
    ran = run("tap 7", script=[look(901, 902)])
    assert shown(ran.out) == [901, 902]
    assert ran.err == ""


def test_on_a_terminal(run: Run) -> None:
    told = tap(datagram(query(), at=NOW), datagram(b"\x1b[2Jx" * 40, to_backend=False, at=NOW + 1))
    out = without_styles(run("tap 7 --hex", script=[[snapshot(tap=told)]], terminal=100).out)
    first, ask, *dump = out.splitlines()
    assert first == "Flow 7: 203.0.113.9:51820 → 192.0.2.1:53 → edge-1"
    assert ask.split("B")[1].split("-", 1)[1].strip() == "DNS query example.com A +rd id 4711"
    assert dump[0].strip() == (
        "0000  12 67 01 00 00 01 00 00  00 00 00 00 07 65 78 61  |.g...........exa|"
    )
    assert "← reply" in dump[2]
    assert "|.[2Jx.[2Jx.[2Jx.|" in dump[3]


def test_nothing_is_obeyed(run: Run) -> None:
    told = tap(datagram(HOSTILE.encode()), client=HOSTILE, backend=HOSTILE, local=HOSTILE)
    for terminal in (0, 100):
        out = run("tap 7 --hex", script=[[snapshot(tap=told)]], terminal=terminal).out
        assert "\x1b[2J" not in out
        assert "\x1b[31m" not in out


def test_json_is_an_object_a_line(run: Run) -> None:
    ran = run("tap 7 --json", script=[look(1), look(1, 2)], terminal=100)
    told = [msgspec.json.decode(each, type=TappedDatagram) for each in ran.out.splitlines()]
    assert tuple(told) == numbered(1, 2)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_count(run: Run, number: int) -> None:
    ran = run(f"tap 7 --count {number}", script=[look(1), look(1, 2, 3), look(1, 2, 3, 4)])
    assert (ran.code, shown(ran.out)) == (0, [1, 2, 3][:number])
    assert ran.err == ""
    assert ran.client.stream.closed


def test_duration() -> None:
    client = FakeClient(script=[look() for _ in range(20)])
    ticks = count(0.0, 1.0)
    teller = Teller(Output(), hex=False, json=False)
    code = follow_tap(client, 7, teller, End(after_s=3.5), clock=lambda: next(ticks))
    assert code == DONE
    assert next(ticks) == 5.0, "it looked three times"
    assert client.stream.closed


def test_the_flow_ends(run: Run) -> None:
    ran = run("tap 7", script=[look(1), look(1, 2, live=False), look(9)])
    assert (ran.code, shown(ran.out)) == (0, [1, 2])
    assert ran.err == "udplb: flow 7 has ended\n"


def test_the_flow_ends_before_anything_was_seen(run: Run) -> None:
    ran = run("tap 7", script=[look(), look(live=False)])
    assert (ran.code, ran.out, ran.err) == (1, "", "udplb: flow 7 has ended\n")


def test_there_is_no_such_flow(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(client: FakeClient, request: Subscribe) -> None:
        raise Refused("not_found", "there is no live flow 7 to tap; see: udplb flows")

    monkeypatch.setattr(FakeClient, "subscribe", refuse)
    ran = run(f"tap 7 --pcap {tmp_path / 'f'}")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "udplb: there is no live flow 7 to tap; see: udplb flows\n"
    assert not (tmp_path / "f").exists()


def test_the_proxy_goes_and_another_comes(run: Run) -> None:
    ran = run("tap 7", script=[look(1), [GONE], [GONE], [BACK], [snapshot(tap=None)]])
    assert (ran.code, shown(ran.out)) == (0, [1])
    assert ran.err.splitlines() == [
        "udplb: lost the proxy: it ended; waiting for it",
        "udplb: the proxy is there again; what passed meanwhile was not seen",
        "udplb: flow 7 is gone",
    ]


@pytest.mark.parametrize("seen", [1, 2, 3, 99])
def test_after_a_loss_the_tap_may_count_anew(run: Run, seen: int) -> None:
    ran = run("tap 7", script=[look(1, 2), [GONE, BACK], look(1, 2, 5, seen=seen)])
    assert shown(ran.out) == [1, 2, 5]
    assert "not seen: more came" not in ran.err
    assert ran.out.splitlines()[2].split()[3] == "-"


def test_a_count_that_goes_back() -> None:
    news = News()
    assert news.of(tap(*numbered(1, 2), seen=2)) == (numbered(1, 2), 0)
    assert news.of(tap(*numbered(2, 3), seen=1)) == (numbered(3), 0)
    assert news.of(tap(*numbered(2, 3), seen=1)) == ((), 0)


# Captures


def test_a_capture_has_what_was_seen(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "flow.pcap"
    ran = run(f"tap 7 --pcap {file}", script=[look(), look(1, 2), look(2, 3, seen=3), CtrlC])
    assert (ran.code, shown(ran.out)) == (0, [1, 2, 3])
    assert ran.err == f"udplb: 3 datagrams in {file}\n"
    assert file.read_bytes() == pcap_of(tap(*numbered(1, 2, 3)))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_capture_has_no_more_than_count(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "flow.pcap"
    run(f"tap 7 --count 1 --pcap {file}", script=[look(1, 2)])
    assert file.read_bytes() == pcap_of(tap(*numbered(1)))


def test_nothing_is_overwritten(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "flow.pcap"
    file.write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("flow.pcap", "link"):
        ran = run(f"tap 7 --pcap {tmp_path / name}", script=[look(1)])
        assert (ran.code, ran.out) == (1, "")
        assert ran.err == f"udplb: {tmp_path / name} is there already; name another file\n"
        assert ran.client.stream.closed
    assert file.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_cannot_be(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "no" / "flow.pcap"
    ran = run(f"tap 7 --pcap {file}", script=[look(1)])
    assert (ran.code, ran.err) == (1, f"udplb: {file}: no such file or directory\n")


@pytest.mark.parametrize("more", [0, 1, 2])
def test_a_capture_is_bounded(run: Run, tmp_path: Path, more: int) -> None:
    assert CAPTURE_DATAGRAMS_MAX == 10_000
    room = 5
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tapping, "CAPTURE_DATAGRAMS_MAX", room)
        file = tmp_path / "flow.pcap"
        numbers = range(1, room + more)
        script = [look(1), look(*numbers), look(*numbers, room + more)]
        ran = run(f"tap 7 --pcap {file}", script=script)
    assert shown(ran.out) == list(range(1, room + more + 1))
    assert file.read_bytes() == pcap_of(tap(*numbered(1, 2, 3, 4, 5)))
    full = f"udplb: {file} has 5 datagrams and takes no more; the others are only shown"
    assert ran.err.splitlines() == [full, f"udplb: 5 datagrams in {file}"]


def test_addresses_that_no_capture_has(run: Run, tmp_path: Path) -> None:
    told: TapSnapshot = tap(datagram(), local="[::1]:53")
    ran = run(f"tap 7 --pcap {tmp_path / 'f'}", script=[[snapshot(tap=told)]])
    assert ran.code == 1
    assert ran.err.splitlines()[-1] == (
        f"udplb: {tmp_path / 'f'}: the proxy tells no addresses of one family:"
        " 203.0.113.9:51820, [::1]:53"
    )


# What was typed


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tap 0", "flows have numbers from 1 on"),
        (f"tap {2**63}", "flows have numbers from 1 on"),
        ("tap 7 --count 0", "--count: found 0; allowed: a whole number from 1 to 1,000,000,000"),
        ("tap 7 --hex --json", "--hex goes with text; --json has all bytes that were kept"),
        ("tap 7 --duration soon", '--duration: found "soon"; '),
        ("tap x", 'unable to convert "x" into int'),
        ("tap", "FLOW"),
    ],
)
def test_a_wrong_command_line(run: Run, line: str, said: str) -> None:
    ran = run(line)
    assert ran.code == 2
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1
    assert ran.client.subscribed is None
