"""Events as sentences: a line each for pipes, with what belongs to them below for people."""

from __future__ import annotations

import re
from typing import NamedTuple

import msgspec

from udplb.config.wording import escape
from udplb.engine import events
from udplb.engine.events import Event
from udplb.show.page import Cell, Page, Role, line
from udplb.show.quantities import count, lasting, moment, plural, size, time_of_day
from udplb.show.states import BAD, CARE, DONE, GOOD, WAITING

NEWS = "·"
"""The glyph of what is neither good nor bad."""
KIND_WIDTH = 22
"""Characters of the longest kind, so that lines of a stream stand below each other."""
DETAILS_MAX = 20
"""Details of one event that people see; pipes see all."""
_BELOW = " " * 12
"""Details stand below the sentence, right of time and glyph."""


class Told(NamedTuple):
    """One event for people."""

    glyph: str
    role: Role
    sentence: str
    details: tuple[str, ...] = ()


def page_of_event(event: Event) -> Page:
    """For a terminal: time, glyph, sentence; its details below."""
    told = tell(event)
    time = Cell(f"{time_of_day(event.at)} ", role=Role.QUIET)
    mark = Cell(f"{told.glyph} ", role=told.role)
    head = line(told.sentence, lead=(time, mark))
    shown = told.details[:DETAILS_MAX]
    lines: Page = (head, *(line(detail, lead=(_BELOW,)) for detail in shown))
    if len(told.details) > len(shown):
        more = f"… {count(len(told.details) - len(shown))} more"
        return (*lines, line(more, role=Role.QUIET, lead=(_BELOW,)))
    return lines


def line_of_event(event: Event) -> str:
    """For a pipe: time, kind, sentence with details, without its end."""
    told = tell(event)
    sentence = ": ".join(part for part in (told.sentence, "; ".join(told.details)) if part)
    return escape(f"{moment(event.at)}  {kind_of(event):{KIND_WIDTH}}  {sentence}")


def kind_of(event: Event) -> str:
    """The event's class in small letters: `backend_went_down`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(event).__name__).lower()


def tell(event: Event) -> Told:
    """What has happened."""
    match event:
        case events.EngineStarted():
            at_most = plural(event.max_flows, "flow")
            return Told(
                GOOD, Role.GOOD, f"forwarding: listeners: {event.listeners}, at most {at_most}"
            )
        case events.EngineStopped():
            rest = f"; {plural(event.closed_flows, 'flow')} had to be closed"
            return Told(BAD, Role.BAD, f"ended{rest if event.closed_flows else ''}")
        case events.ListenerBound():
            where = f"listener {event.listener}: {event.address} → cluster {event.cluster}"
            return Told(NEWS, Role.PLAIN, where)
        case events.DrainBegan():
            live, limit = plural(event.live, "flow"), lasting(event.deadline_s)
            return Told(WAITING, Role.WAITING, f"the proxy drains: {live} left, at most {limit}")
        case events.ClusterWentDown():
            new = "spread over all of them" if event.fail_open else "dropped"
            down = f"cluster {event.cluster}: none is up that takes new flows; they are {new}"
            return Told(BAD, Role.BAD, down)
        case events.ClusterCameUp():
            return Told(GOOD, Role.GOOD, f"cluster {event.cluster}: a backend is up again")
        case events.Missed():
            lost = plural(event.count, "event")
            return Told(CARE, Role.WAITING, f"{lost} missed here: they came too fast")
        case events.FlowAdmitted() | events.FlowClosed():
            return _of_flow(event)
        case (
            events.ConfigurationChanged()
            | events.ConfigurationRejected()
            | events.ConfigurationSaved()
            | events.OperatorActed()
        ):
            return _of_configuration(event)
        case events.BackendEvent():
            return _of_backend(event)
        case _:
            return _of_another_version(event)


def _of_backend(event: events.BackendEvent) -> Told:
    match event:
        case events.BackendWentDown():
            return Told(BAD, Role.BAD, f"{_backend(event)} is down: {event.reason}")
        case events.BackendCameUp():
            return Told(GOOD, Role.GOOD, f"{_backend(event)} is up: {event.reason}")
        case events.BackendDrainBegan():
            limit = (
                "" if event.deadline_s is None else f" at most {lasting(event.deadline_s)}, then"
            )
            limit = f",{limit} {event.way}" if limit else ""
            left = f"drains: {plural(event.flows, 'flow')} left{limit}"
            return Told(WAITING, Role.WAITING, f"{_backend(event)} {left}")
        case events.BackendDrainExpired():
            rest = f"{plural(event.flows, 'flow')} left: {event.way}"
            return Told(
                CARE, Role.WAITING, f"{_backend(event)}: its drain's deadline is over, {rest}"
            )
        case events.BackendDrained():
            return Told(
                DONE, Role.GOOD, f"{_backend(event)} is drained, after {lasting(event.took_s)}"
            )
        case events.BackendDrainEnded():
            return Told(GOOD, Role.GOOD, f"{_backend(event)} takes new flows again")
        case _:
            return _of_another_version(event)


def _of_flow(event: events.FlowAdmitted | events.FlowClosed) -> Told:
    way = f"flow {event.flow}: {event.client} → {event.listener} → {event.backend}"
    if isinstance(event, events.FlowAdmitted):
        return Told("+", Role.GOOD, f"{way} opened")
    there = f"{count(event.requests)} requests ({size(event.request_bytes)})"
    back = f"{count(event.replies)} replies ({size(event.reply_bytes)})"
    end = f"closed, {event.reason}, after {lasting(event.age_s)}: {there}, {back}"
    return Told("-", Role.QUIET, f"{way} {end}")


def _of_configuration(
    event: events.ConfigurationChanged
    | events.ConfigurationRejected
    | events.ConfigurationSaved
    | events.OperatorActed,
) -> Told:
    match event:
        case events.ConfigurationChanged():
            head = f"configuration #{event.generation} in force ({event.why})"
            return Told(GOOD, Role.GOOD, head, event.sentences)
        case events.ConfigurationRejected():
            problems = plural(len(event.problems), "problem")
            head = f"the file is not applied, it has {problems}"
            return Told(BAD, Role.BAD, head, event.problems)
        case events.ConfigurationSaved():
            return Told(GOOD, Role.GOOD, f"saved into {event.file}", event.sentences)
        case events.OperatorActed(done=done):
            glyph, role = (NEWS, Role.PLAIN) if done else (BAD, Role.BAD)
            return Told(glyph, role, f"{event.who}: {event.command}: {event.result}")


def _of_another_version(event: Event) -> Told:
    """Field by field; nobody here knows this kind."""
    fields = msgspec.structs.asdict(event)
    said = ", ".join(f"{name} {value}" for name, value in fields.items() if name != "at")
    return Told(NEWS, Role.PLAIN, f"{kind_of(event).replace('_', ' ')}: {said}")


def _backend(event: events.BackendEvent) -> str:
    named = "" if event.backend == event.address else f" ({event.address})"
    return f"{event.cluster}/{event.backend}{named}"
