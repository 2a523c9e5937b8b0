"""Writes the generated blocks of LIFECYCLE.md from the code's own tables.

`python -m tools.lifecycle` writes, `python -m tools.lifecycle --check` says whether they are stale.
A block stands between `<!-- generated: NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from udplb.client import stream
from udplb.config import load, pieces
from udplb.core import counters, forecast, health, kept, manager, reception, settings, train
from udplb.core.balance import maglev
from udplb.core.flow import TRANSITIONS, State
from udplb.core.reasons import SHED_REASONS, CloseReason, DropReason, Explained
from udplb.engine import (
    batch,
    clusters,
    datapath,
    descriptors,
    egress,
    engine,
    events,
    filtering,
    forecasts,
    forwarding,
    inlet,
    lag,
    logs,
    losses,
    pictures,
    ports,
    ranking,
    reading,
    snapshot,
    upstream,
    walk,
    watching,
)
from udplb.engine.control import requests as requests_table
from udplb.engine.control import subscriber
from udplb.engine.control.connection import Limits
from udplb.engine.control.requests import REQUESTS
from udplb.engine.probes import attempt, checker, schedule

CONTROL = Limits()

PAGE = Path(__file__).parent.parent / "LIFECYCLE.md"

_BLOCK = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

LIMITS: tuple[tuple[str, object, str], ...] = (
    ("reception.ADMISSIONS_PER_ROUND", reception.ADMISSIONS_PER_ROUND, "a flood of new clients delays nobody's datagrams by more than so many socket openings; the rest is postponed to the next round"),
    ("manager.CLOSES_PER_FIRING", manager.CLOSES_PER_FIRING, "thousands of flows that end at once are closed in slices"),
    ("manager.VISITS_PER_FIRING", manager.VISITS_PER_FIRING, "deadlines of flows with traffic are renewed in slices, too"),
    ("kept.KEPT_FLOW_BYTES_MAX", kept.KEPT_FLOW_BYTES_MAX, "bytes that one flow keeps to send again"),
    ("kept.KEPT_DATAGRAMS_MAX", kept.KEPT_DATAGRAMS_MAX, "the same in datagrams"),
    ("kept.KEPT_BYTES_MAX", kept.KEPT_BYTES_MAX, "bytes that all flows of an engine keep"),
    ("kept.RESEND_WITHIN_S", kept.RESEND_WITHIN_S, "seconds after the last send in which a refusal is taken to be about it"),
    ("health.EJECTION_S", health.EJECTION_S, "seconds of a first ejection; each further one is twice as long"),
    ("health.EJECTION_MAX_S", health.EJECTION_MAX_S, "seconds of the longest"),
    ("health.FORGIVEN_AFTER_S", health.FORGIVEN_AFTER_S, "seconds up after which the next ejection is a first one"),
    ("health.RATIO_WINDOW_S", health.RATIO_WINDOW_S, "seconds over which the answered share is taken"),
    ("health.RATIO_GRACE_S", health.RATIO_GRACE_S, "seconds after which it is taken a second time, as replies to the last requests may be on their way"),
    ("health.RATIO_REPLIES_MIN", health.RATIO_REPLIES_MIN, "replies owed in them; with fewer the share says nothing"),
    ("forecast.QUIET_GAPS", forecast.QUIET_GAPS, "of its usual gaps without a datagram, and a flow counts as over in a drain's forecast"),
    ("forecast.QUIET_MIN_S", forecast.QUIET_MIN_S, "seconds without a datagram that it takes at least"),
    ("train.RUN_DATAGRAMS_MAX", train.RUN_DATAGRAMS_MAX, "the kernel refuses longer runs (UDP_MAX_SEGMENTS)"),
    ("train.RUN_BYTES_MAX", train.RUN_BYTES_MAX, "the kernel refuses larger runs"),
    ("counters.RECENT_DROPS_MAX", counters.RECENT_DROPS_MAX, "the ring of recent drops; the oldest make room"),
    ("maglev.TABLE_SIZE", maglev.TABLE_SIZE, "slots of a maglev table"),
    ("inlet.ROUND_DATAGRAMS", inlet.ROUND_DATAGRAMS, "a busy listener starves no other socket"),
    ("inlet.CALL_BUFFERS", inlet.CALL_BUFFERS, "the same in buffers of up to 64 KiB, with UDP_GRO"),
    ("inlet.NOTES_KEPT", inlet.NOTES_KEPT, "the cache of what control messages tell: local addresses and segment sizes"),
    ("batch.LAYOUTS_KEPT", batch.LAYOUTS_KEPT, "the cache of how received batches are taken apart"),
    ("upstream.ROUND_DATAGRAMS", upstream.ROUND_DATAGRAMS, "a busy backend starves no other socket"),
    ("upstream.ROUND_BUFFERS", upstream.ROUND_BUFFERS, "the same in buffers of up to 64 KiB, with UDP_GRO"),
    ("upstream.ROUND_ERRORS", upstream.ROUND_ERRORS, "errors read from one upstream in one round"),
    ("upstream.PORT_TRIES", upstream.PORT_TRIES, "ports tried for one upstream before it is shed, `no_port`"),
    ("upstream.STRAYS_MAX", upstream.STRAYS_MAX, "datagrams thrown away between bind and connect before the port is given up"),
    (
        "datapath.ROUND_DATAGRAMS",
        datapath.ROUND_DATAGRAMS,
        "replies of all upstreams in one wake-up; the others come first in the next",
    ),
    (
        "manager.REOPEN_PAUSE_S",
        manager.REOPEN_PAUSE_S,
        "seconds between two openings of a new upstream for a flow whose route is gone",
    ),
    (
        "losses.REPEAT_S",
        losses.REPEAT_S,
        "seconds between two log lines about one kind of loss",
    ),
    ("schedule.PROBES_MAX", schedule.PROBES_MAX, "probes that run at a time, each with a descriptor; the others wait in line"),
    ("checker.STEPS_PER_TURN", checker.STEPS_PER_TURN, "probes begun or ended in one turn of the loop: they delay no datagram"),
    ("attempt.REPLIES_MAX", attempt.REPLIES_MAX, "replies that one probe looks at; behind them it has failed"),
    ("attempt.PORT_TRIES", attempt.PORT_TRIES, "ports tried for one probe before it is not made"),
    ("settings.PROBE_BYTES_MAX", settings.PROBE_BYTES_MAX, "bytes of a probe and of its reply; what is larger is none"),
    ("datapath.POLL_EVENTS_MAX", datapath.POLL_EVENTS_MAX, "upstreams handled in one wake-up"),
    ("egress.FLOW_TRAINS_MAX", egress.FLOW_TRAINS_MAX, "trains that wait for room in one flow's socket; more: `queue_full`"),
    ("egress.FLOW_BYTES_MAX", egress.FLOW_BYTES_MAX, "the same in bytes"),
    ("egress.LISTENER_TRAINS_MAX", egress.LISTENER_TRAINS_MAX, "trains that wait for room in a listener's socket; more: `queue_full`"),
    ("egress.LISTENER_BYTES_MAX", egress.LISTENER_BYTES_MAX, "the same in bytes"),
    ("ports.RESTED_CHOICE", ports.RESTED_CHOICE, "a port is drawn from so many of the longest-rested"),
    ("ports.SHARE_LEFT_TO_OTHERS", ports.SHARE_LEFT_TO_OTHERS, "one port in so many stays free for other programs"),
    ("descriptors.SHARE_FOR_FLOWS", descriptors.SHARE_FOR_FLOWS, "of the descriptor limit, where `max_flows` is 0"),
    ("descriptors.KEPT_FREE", descriptors.KEPT_FREE, "descriptors that flows never take; those of probes come on top, where `max_flows` is set"),
    ("events.SUBSCRIBERS_MAX", events.SUBSCRIBERS_MAX, "subscribers of the event bus"),
    ("events.QUEUE_MAX", events.QUEUE_MAX, "events that wait for one subscriber; the oldest are lost and counted"),
    ("Limits.clients", CONTROL.clients, "connections of the control socket"),
    ("Limits.line_bytes", CONTROL.line_bytes, "bytes of a request's line"),
    ("Limits.requests", CONTROL.requests, "requests of one connection on their way; more is not read"),
    ("Limits.unread_bytes", CONTROL.unread_bytes, "bytes that a client has not read; behind them its requests are not read either"),
    ("Limits.bad_lines", CONTROL.bad_lines, "lines in a row that are no requests, and the connection closes"),
    ("subscriber.BUNCH_EVENTS", subscriber.BUNCH_EVENTS, "events that wait in a connection; the others wait in the bus"),
    ("filtering.FILTER_MAX", filtering.FILTER_MAX, "characters of a filter of flows"),
    ("filtering.TERMS_MAX", filtering.TERMS_MAX, "terms of one"),
    ("requests.CLOSES_MAX", requests_table.CLOSES_MAX, "flows that one request to close them names"),
    ("load.FILE_SIZE_MAX", load.FILE_SIZE_MAX, "bytes of a file"),
    ("pieces.PIECE_ITEMS_MAX", pieces.PIECE_ITEMS_MAX, "backends that the reading child sends at a time: a turn of the loop takes in one piece"),
    ("reading.ANSWER_BYTES_MAX", reading.ANSWER_BYTES_MAX, "bytes of the child's answer"),
    ("forwarding.BUILD_STEPS", forwarding.BUILD_STEPS, "steps of preparing a change in one turn of the loop"),
    ("snapshot.BACKENDS_PER_SLICE", snapshot.BACKENDS_PER_SLICE, "backends that one turn of the loop describes in a snapshot"),
    ("snapshot.TAP_DATAGRAMS_MAX", snapshot.TAP_DATAGRAMS_MAX, "datagrams that are kept of a tapped flow; the oldest make room"),
    ("snapshot.TAP_BYTES_MAX", snapshot.TAP_BYTES_MAX, "bytes that are kept of each of them"),
    ("requests.FILE_BYTES_MAX", requests_table.FILE_BYTES_MAX, "bytes of the configuration file that are shown"),
    ("stream.ITEMS_MAX", stream.ITEMS_MAX, "snapshots and events that wait in a client"),
    ("walk.SLICE_FLOWS", walk.SLICE_FLOWS, "flows that one slice of a ranking or a forecast visits"),
    ("ranking.WINDOW_MAX", ranking.WINDOW_MAX, "rows of a window of flows"),
    ("ranking.OFFSET_MAX", ranking.OFFSET_MAX, "how deep into a ranking a window can begin"),
    ("logs.QUEUE_LINES_MAX", logs.QUEUE_LINES_MAX, "log lines that wait for the writer; more are lost"),
)  # fmt: skip

TIMERS: tuple[tuple[str, object, str], ...] = (
    ("the next deadline", "per listener", "one timer, however many flows: idle, `max_age`, last replies, sweeps"),
    ("pictures.INTERVAL_S", pictures.INTERVAL_S, "the published picture is replaced"),
    ("lag.EVERY_S", lag.EVERY_S, "how late comes this timer? That is the loop's lag"),
    ("forwarding.HOSTS_INTERVAL_S", forwarding.HOSTS_INTERVAL_S, "this machine's addresses are read again"),
    ("clusters.TICK_S", clusters.TICK_S, "ejections, drains and answered shares are looked at"),
    ("probe `interval`, less up to a fifth", "configured", f"a backend is probed; the first time within {schedule.FIRST_WITHIN_S:g} s"),
    ("probe `timeout`", "configured", "a probe without an answer has failed"),
    ("forecasts.GOOD_FOR_S", forecasts.GOOD_FOR_S, "the forecast of a drain is made anew, while a backend drains"),
    ("ranking.GOOD_FOR_S", ranking.GOOD_FOR_S, "a ranking of flows is made anew, while somebody looks"),
    ("forwarding.TICK_S", forwarding.TICK_S, "is a retired listener's last flow gone?"),
    ("watching.STEP_S", watching.STEP_S, "an edit of the file has come to its end when so long nothing more happens"),
    ("watching.ABSENT_MAX_S", watching.ABSENT_MAX_S, "a file that is away for so long is told to be missing"),
    ("reading.SILENCE_MAX_S", reading.SILENCE_MAX_S, "a reading child that says nothing for so long is ended"),
    ("subscriber.EVENTS_EVERY_S", subscriber.EVENTS_EVERY_S, "a subscriber's events are looked for"),
    ("Limits.line_s", CONTROL.line_s, "a request's line that is not complete by then closes its connection"),
    ("Limits.idle_s", CONTROL.idle_s, "a connection without a request or a subscription is closed"),
    ("Limits.unread_s", CONTROL.unread_s, "a connection whose client reads no answers is closed"),
    ("Limits.answer_s", CONTROL.answer_s, "a request that has no answer yet is told so"),
    ("engine.DRAIN_CHECK_S", engine.DRAIN_CHECK_S, "while draining: has the last flow ended?"),
    ("`drain_timeout`", "configured", "while draining: the flows that are left are closed"),
)  # fmt: skip


def _table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    lines = [list(head)]
    lines.append(["---"] * len(lines[0]))
    lines.extend([str(cell) for cell in row] for row in rows)
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _meanings(words: Iterable[Explained]) -> Iterable[Iterable[object]]:
    return ((f"`{word.value}`", word.meaning) for word in words)


Place = TypeVar("Place", bound=Explained)
Way = TypeVar("Way", bound=Explained)


def _life(
    noun: str,
    states: Iterable[Place],
    verb: str,
    transitions: Mapping[tuple[Place, Way], Place],
) -> str:
    """Every state with its meaning, and every way from one to another."""
    ways = (
        (f"`{before.value}`", f"`{step.value}`", f"`{after.value}`", step.meaning)
        for (before, step), after in transitions.items()
    )
    return (
        _table((noun, "meaning"), _meanings(states))
        + "\n"
        + _table(("from", verb, "to", "when"), ways)
    )


def states() -> str:
    """A flow's life."""
    return _life("state", State, "step", TRANSITIONS)


def standings() -> str:
    """What passive signals make of a backend, and what moves it."""
    return _life("standing", health.Standing, "verdict", health.TRANSITIONS)


def requests() -> str:
    """What may be asked of a running proxy."""
    rows = (
        (f"`{request.__struct_config__.tag}`", "yes" if request.changes else "", _sentence(request))
        for request in REQUESTS
    )
    return _table(("request", "changes", "what it is"), rows)


def _sentence(kind: type) -> str:
    return (kind.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def diagram() -> str:
    """The same as a picture."""
    sources = {before for before, _ in TRANSITIONS}
    lines = [f"    [*] --> {State.CURRENT.value}: admitted"]
    lines += [f"    {a.value} --> {b.value}: {step.value}" for (a, step), b in TRANSITIONS.items()]
    lines += [f"    {state.value} --> [*]" for state in State if state not in sources]
    return "```mermaid\nstateDiagram-v2\n" + "\n".join(lines) + "\n```\n"


def close_reasons() -> str:
    """Why flows end."""
    return _table(("reason", "the flow closes because"), _meanings(CloseReason))


def drop_reasons() -> str:
    """Why datagrams go nowhere."""
    rows = (
        (f"`{reason.value}`", "yes" if reason in SHED_REASONS else "", reason.meaning)
        for reason in DropReason
    )
    return _table(("reason", "shed", "the datagram is dropped because"), rows)


def limits() -> str:
    """What is bounded, and what each bound protects."""
    return _table(("limit", "value", "what it protects"), _named(LIMITS))


def timers() -> str:
    """What runs by time."""
    return _table(("timer", "seconds", "what happens"), _named(TIMERS))


def _named(rows: Iterable[tuple[str, object, str]]) -> Iterable[Iterable[object]]:
    return (
        (
            f"`{name}`" if "." in name else name,
            f"{value:,}" if isinstance(value, int) else value,
            why,
        )
        for name, value, why in rows
    )


BLOCKS: dict[str, Callable[[], str]] = {
    "states": states,
    "diagram": diagram,
    "standings": standings,
    "close-reasons": close_reasons,
    "drop-reasons": drop_reasons,
    "limits": limits,
    "timers": timers,
    "requests": requests,
}


def rendered(page: str) -> str:
    """The page with every generated block as the code has it now. KeyError: an unknown block."""
    return _BLOCK.sub(lambda match: match[1] + "\n" + BLOCKS[match[2]]() + "\n" + match[3], page)


def main() -> int:
    """Write the page, or with --check only compare; exit code 1 when it is stale."""
    page = PAGE.read_text(encoding="utf-8")
    fresh = rendered(page)
    if "--check" in sys.argv[1:]:
        if fresh != page:
            print("LIFECYCLE.md is stale: make docs", file=sys.stderr)
        return int(fresh != page)
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
