"""The whole proxy on one page: state, configuration, traffic, losses, listeners, clusters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from udplb.engine.snapshot import ClusterSnapshot, ConfigurationSnapshot, Snapshot
from udplb.show import page
from udplb.show.backends import note_on, target_of
from udplb.show.listeners import page_of_listeners
from udplb.show.paces import Paces
from udplb.show.page import NOTHING, Cell, Column, Fact, Facts, Page, Role, Table, apart, line
from udplb.show.quantities import bit_rate, count, lasting, moment, plural, rate, share, size, span
from udplb.show.reasons import tally
from udplb.show.states import BAD, CARE, GOOD, state_of_backend, state_of_proxy

SENTENCES_MAX = 20
"""Sentences of one kind that people see; programs see all."""

_CLUSTERS = (
    Column("CLUSTER", "cluster"),
    Column("UP", "up"),
    Column("BALANCE", "balance", rank=2),
    Column("PROBE", "probe", rank=3),
    Column("FLOWS", "flows", number=True),
    Column("REQUESTS", "requests", number=True, rank=4),
    Column("REPLIES", "replies", number=True, rank=4),
    Column("NOTE", "note", rank=1),
)
_ODD = (Column("BACKEND", "backend"), Column("STATE", "state"), Column("NOTE", "note"))


def page_of_status(snapshot: Snapshot, now: float, paces: Paces | None = None) -> Page:
    """`now` is in seconds since the epoch. With paces where there are any."""
    return apart(
        (
            (Facts((*_process(snapshot), *_configuration(snapshot.configuration, now))),),
            (Facts(tuple(_traffic(snapshot, paces))),),
            page_of_listeners(snapshot.listeners, paces),
            page_of_clusters(snapshot.clusters),
            _odd_backends(snapshot, now),
        )
    )


def page_of_clusters(clusters: tuple[ClusterSnapshot, ...]) -> Page:
    """A table."""
    return (Table(_CLUSTERS, tuple(map(_cluster, clusters)), "no clusters"),)


def _process(snapshot: Snapshot) -> Iterator[Fact]:
    state = state_of_proxy(snapshot.state)
    up = f"{state.text} for {lasting(snapshot.up_s)}"
    yield Fact("udplb", "state", Cell(up, state.word, state.role))
    yield Fact(None, "up_s", page.age(snapshot.up_s))
    yield Fact(
        "version", "version", Cell(f"{snapshot.version}, process {snapshot.pid}", snapshot.version)
    )
    yield Fact(None, "pid", Cell(str(snapshot.pid)))


def _configuration(force: ConfigurationSnapshot, now: float) -> Iterator[Fact]:
    last = force.last_reload
    since = f", applied {lasting(now - force.applied_at)} ago" if force.applied_at else ""
    reloads = f"{count(force.reloads)} applied, {count(force.rejected)} rejected"
    yield Fact("file", "file", page.word(force.file or NOTHING))
    yield Fact(
        "configured", "generation", Cell(f"#{force.generation}{since}", str(force.generation))
    )
    yield Fact("reloads", "reloads", Cell(reloads, str(force.reloads)))
    yield Fact(None, "rejected", page.count(force.rejected))
    yield Fact("last reload", "last_reload", _last_reload(force, now))
    yield from _sentences("problem", last.problems if last else ())
    drift = len(force.drift)
    yield Fact("drift", "drift", _number(drift, "none", plural(drift, "change") + " by operators"))
    yield from _sentences("drifted", force.drift)
    waiting = len(force.awaiting_restart)
    waits = f"{plural(waiting, 'change')} of the file {'awaits' if waiting == 1 else 'await'} one"
    yield Fact("restart", "awaiting_restart", _number(waiting, "nothing awaits one", waits))
    yield from _sentences("awaits_restart", force.awaiting_restart)


def _last_reload(force: ConfigurationSnapshot, now: float) -> Cell:
    last = force.last_reload
    if last is None:
        return Cell("none since the start", NOTHING)
    ago = f"{lasting(now - last.at)} ago"
    if last.problems:
        text = f"{BAD} REJECTED {ago}: {plural(len(last.problems), 'problem')}"
        return Cell(text, f"rejected {moment(last.at)}", Role.BAD)
    changes = plural(len(last.sentences), "change")
    text = f"{GOOD} APPLIED {ago} in {span(last.took_s)}: {changes}"
    return Cell(text, f"applied {moment(last.at)}", Role.GOOD)


def _number(number: int, none: str, some: str) -> Cell:
    role = Role.WAITING if number else Role.QUIET
    return Cell(some if number else none, str(number), role)


def _sentences(key: str, sentences: Sequence[str]) -> Iterator[Fact]:
    """Below the fact that counts them; people see only so many."""
    for at, sentence in enumerate(sentences):
        yield Fact("" if at < SENTENCES_MAX else None, key, Cell(sentence))
    if len(sentences) > SENTENCES_MAX:
        yield Fact("", "", _more(len(sentences) - SENTENCES_MAX, "--json"))


def _more(number: int, where: str) -> Cell:
    return Cell(f"… {count(number)} more, see {where}", role=Role.QUIET)


def _traffic(snapshot: Snapshot, paces: Paces | None) -> Iterator[Fact]:
    totals = snapshot.totals
    of = f" of {count(totals.max_flows)}" if totals.max_flows else ""
    used = f" ({share(totals.flows / totals.max_flows)})" if totals.max_flows else ""
    opened = f", +{rate(paces.total.admitted)}" if paces else ""
    flows = f"{count(totals.flows)}{of}{used}, {count(totals.admitted)} since the start{opened}"
    yield Fact("flows", "flows", Cell(flows, str(totals.flows)))
    yield Fact(None, "max_flows", page.count(totals.max_flows))
    yield Fact(None, "admitted", page.count(totals.admitted))
    yield Fact("in", "requests", _way(totals.requests, totals.request_bytes))
    yield Fact(None, "request_bytes", page.size(totals.request_bytes))
    yield Fact("out", "replies", _way(totals.replies, totals.reply_bytes))
    yield Fact(None, "reply_bytes", page.size(totals.reply_bytes))
    if paces:
        total = paces.total
        yield Fact("in now", "requests_per_s", _now(total.requests, total.request_bytes))
        yield Fact("out now", "replies_per_s", _now(total.replies, total.reply_bytes))
    reasons = tally(totals.drops)
    yield Fact("dropped", "dropped", _loss(totals.dropped, f"datagrams: {reasons}"))
    sheds = tally(totals.sheds)
    yield Fact("shed", "shed", _loss(totals.shed, f"flows: {sheds}"))
    kernel = "datagrams that the kernel dropped (raise receive_buffer)"
    yield Fact("kernel drops", "kernel_drops", _loss(totals.kernel_drops, kernel))


def _way(datagrams: int, payload: int) -> Cell:
    return Cell(f"{plural(datagrams, 'datagram')}, {size(payload)}", str(datagrams))


def _now(per_second: float, bytes_per_second: float) -> Cell:
    return Cell(f"{rate(per_second)}, {bit_rate(bytes_per_second)}", f"{per_second:.1f}")


def _loss(number: int, what: str) -> Cell:
    if not number:
        return Cell("none", "0", Role.QUIET)
    return Cell(f"{count(number)} {what}", str(number), Role.WAITING)


def _cluster(cluster: ClusterSnapshot) -> tuple[Cell, ...]:
    backends = cluster.backends
    up = sum(each.up for each in backends)
    if cluster.all_down:
        glyph, role = f"{BAD} ", Role.BAD
        spread = "spread over all" if cluster.fail_open else "dropped"
        note = f"none is up that takes new flows: they are {spread}"
    elif not any(each.weight and not each.draining for each in backends):
        glyph, role = f"{BAD} ", Role.BAD
        note = "no backend takes new flows: they are dropped"
    else:
        glyph, role = (f"{GOOD} ", Role.GOOD) if up == len(backends) else (f"{CARE} ", Role.WAITING)
        draining = sum(each.draining for each in backends)
        note = f"{count(draining)} draining" if draining else ""
    return (
        page.word(cluster.name),
        Cell(f"{glyph}{up} of {len(backends)}", f"{up}/{len(backends)}", role),
        page.word(cluster.balance),
        page.word(cluster.probe),
        page.count(sum(each.flows for each in backends)),
        page.count(sum(each.requests for each in backends)),
        page.count(sum(each.replies for each in backends)),
        Cell(note, note or NOTHING, role if role is Role.BAD else Role.PLAIN),
    )


def _odd_backends(snapshot: Snapshot, now: float) -> Page:
    """Those that are not simply up."""
    odd = [
        each
        for cluster in snapshot.clusters
        for each in cluster.backends
        if each.draining or not each.up or each.standing != "trusted"
    ]
    if not odd:
        return ()
    rows = tuple(
        (
            page.word(target_of(each)),
            state_of_backend(each),
            Cell(note_on(each, now), note_on(each, now) or NOTHING),
        )
        for each in odd[:SENTENCES_MAX]
    )
    table = Table(_ODD, rows, "")
    if len(odd) > SENTENCES_MAX:
        return (table, line(_more(len(odd) - SENTENCES_MAX, "udplb backends")))
    return (table,)
