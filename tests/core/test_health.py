"""A backend's health: what probes, refusals, replies and time make of it, and what it says why."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from udplb.core.health import (
    EJECTION_MAX_S,
    EJECTION_S,
    FORGIVEN_AFTER_S,
    TRANSITIONS,
    Health,
    Standing,
    Verdict,
)
from udplb.core.settings import SERVICE_PROBES, HealthSettings, Probe

NOW = 100.0


def health(**settings: Any) -> Health:
    return Health(HealthSettings(**{"probe": "tcp", **settings}))


def failed(it: Health, *whys: str, now: float = NOW) -> None:
    for why in whys:
        it.probe_failed(now, why)


def succeeded(it: Health, count: int = 1, now: float = NOW) -> None:
    for _ in range(count):
        it.probe_succeeded(now, now - 0.01, 0.01)


def ejected(it: Health, now: float = NOW) -> Health:
    """Three refusals now, each of a datagram of its own."""
    for sent in range(3):
        it.refused(now, int(now * 1_000) + sent)
    assert it.standing is Standing.EJECTED
    return it


def on_trial(it: Health, now: float = NOW) -> Health:
    ejected(it, now - EJECTION_S).time_passed(now, 0, 0)
    assert it.standing is Standing.ON_TRIAL
    return it


def test_it_is_up_from_the_start_and_says_nothing() -> None:
    it = health()
    assert (it.up, it.reason, it.since, it.standing) == (True, "", None, "trusted")
    assert (it.suspect, it.ejections, it.latency_s, it.probed_at) == (False, 0, None, None)
    assert (it.answered_share, it.refused_since) == (None, inf)


def test_the_table_of_standings_reaches_all_and_has_no_dead_end() -> None:
    assert {standing for standing, _ in TRANSITIONS} == set(Standing)
    assert set(TRANSITIONS.values()) == set(Standing)
    assert {verdict for _, verdict in TRANSITIONS} == set(Verdict)


# Probes


@pytest.mark.parametrize("fall", [1, 2, 3, 5])
@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_fall_failures_in_a_row_take_it_down(fall: int, beyond: int) -> None:
    it = health(fall=fall)
    for second in range(fall + beyond):
        it.probe_failed(NOW + second, "refused")
    assert it.up is (beyond < 0)
    if beyond >= 0:
        plural = "s" if fall > 1 else ""
        assert it.reason == f"{fall} tcp probe{plural} refused"
        assert it.since == NOW + fall - 1, "one failure more is no news"
    assert it.probed_at == (NOW + fall + beyond - 1 if fall + beyond else None)


@pytest.mark.parametrize("rise", [1, 2, 4])
@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_rise_successes_in_a_row_bring_it_up(rise: int, beyond: int) -> None:
    it = health(rise=rise, probe="udp")
    failed(it, *["timed out"] * 7)
    for second in range(rise + beyond):
        it.probe_succeeded(NOW + second, NOW, 0.5)
    assert it.up is (beyond >= 0)
    if beyond >= 0:
        assert it.reason == f"{rise} udp probe{'s' if rise > 1 else ''} succeeded"
        assert it.since == NOW + rise - 1


def test_a_failure_in_between_starts_the_rise_anew() -> None:
    it = health(rise=3)
    failed(it, "refused", "refused", "refused")
    succeeded(it, 2)
    failed(it, "timed out")
    succeeded(it, 2)
    assert not it.up
    assert it.reason == "3 tcp probes refused", "what took it down, not what came after"
    succeeded(it)
    assert it.up


def test_a_probe_that_flaps_below_the_hysteresis_moves_nothing() -> None:
    it = health(fall=3, rise=2)
    for _ in range(20):
        failed(it, "timed out", "timed out")
        succeeded(it)
        assert (it.up, it.reason, it.since) == (True, "", None)
    failed(it, "timed out", "timed out", "timed out")
    was = (it.up, it.reason, it.since)
    for _ in range(20):
        succeeded(it, now=NOW + 1)
        failed(it, "refused", now=NOW + 1)
        assert (it.up, it.reason, it.since) == was == (False, "3 tcp probes timed out", NOW)


@pytest.mark.parametrize(
    ("whys", "reason"),
    [
        (["refused", "refused", "refused"], "3 dns probes refused"),
        (["refused", "timed out", "refused"], "3 dns probes failed, the last one refused"),
        (["refused", "refused", "timed out"], "3 dns probes failed, the last one timed out"),
    ],
)
def test_why_it_is_down(whys: list[str], reason: str) -> None:
    it = health(probe="dns")
    failed(it, *whys)
    assert it.reason == reason


def test_why_forgets_failures_before_a_success_and_those_while_it_was_down() -> None:
    it = health(rise=1)
    failed(it, "refused")
    succeeded(it)
    failed(it, "timed out", "timed out", "timed out", "refused")
    assert it.reason == "3 tcp probes timed out"
    succeeded(it)
    failed(it, "refused", "refused", "refused")
    assert it.reason == "3 tcp probes refused"


def test_the_latency_is_that_of_the_last_probe_that_succeeded() -> None:
    it = health()
    it.probe_succeeded(NOW, NOW - 0.25, 0.25)
    it.probe_failed(NOW + 5, "timed out")
    assert (it.latency_s, it.probed_at) == (0.25, NOW + 5)


# Refusals


@pytest.mark.parametrize("refusals", [1, 2, 3, 5])
@pytest.mark.parametrize("beyond", [-1, 0, 1])
def test_so_many_refusals_eject_it(refusals: int, beyond: int) -> None:
    it = health(refusals=refusals)
    for number in range(refusals + beyond):
        it.refused(NOW, number)
    assert it.up is (beyond < 0)
    assert it.ejections == (beyond >= 0)
    if beyond >= 0:
        plural = "s" if refusals > 1 else ""
        assert it.reason == f"{refusals} refusal{plural}, ejected for 5 s"
        assert (it.since, it.released_at, it.standing) == (NOW, NOW + EJECTION_S, "ejected")


@pytest.mark.parametrize(("last", "up"), [(9.99, False), (10.0, False), (10.01, True)])
def test_refusals_count_within_their_window(last: float, up: bool) -> None:
    it = health(refusal_window=10.0)
    for number, after in enumerate((0.0, 5.0, last)):
        it.refused(NOW + after, number)
    assert it.up is up
    assert it.refused_since == (NOW if not up else NOW + 5.0)


def test_the_window_of_refusals_slides() -> None:
    it = health(refusal_window=10.0)
    for number, after in enumerate((0.0, 6.0, 12.0, 18.0, 24.0)):
        it.refused(NOW + after, number)
        assert it.up
    it.refused(NOW + 28.0, 9)
    assert not it.up
    assert it.refused_since == NOW + 18.0


def test_a_refusal_that_follows_no_newer_datagram_does_not_count() -> None:
    it = health()
    for _ in range(50):
        it.refused(NOW, 7)
    assert it.up
    it.refused(NOW, 8)
    for _ in range(50):
        it.refused(NOW, 8)
    assert it.up
    it.refused(NOW, 9)
    assert not it.up


def test_a_refusal_before_anything_was_sent_may_count() -> None:
    """An opening that failed: nothing was sent, and it is evidence all the same."""
    it = health(refusals=1)
    it.refused(NOW, 0)
    assert not it.up


def test_any_reply_sets_the_count_to_0() -> None:
    it = health()
    it.refused(NOW, 1)
    it.refused(NOW, 2)
    assert (it.suspect, it.refused_since) == (True, NOW)
    it.replied()
    assert (it.suspect, it.refused_since) == (False, inf)
    it.refused(NOW, 3)
    it.refused(NOW, 4)
    assert it.up
    it.refused(NOW, 5)
    assert not it.up


def test_where_passive_health_is_off_refusals_are_nothing() -> None:
    it = health(passive=False)
    for number in range(100):
        it.refused(NOW, number)
    assert (it.up, it.suspect, it.refused_since) == (True, False, inf)


# Ejections


def test_an_ejection_ends_after_its_time() -> None:
    it = ejected(health())
    it.time_passed(NOW + EJECTION_S - 0.01, 0, 0)
    assert not it.up
    assert not it.suspect, "a reply is no news while it is ejected"
    it.time_passed(NOW + EJECTION_S, 0, 0)
    assert (it.up, it.standing, it.since) == (True, "on_trial", NOW + EJECTION_S)
    assert it.reason == "5 s of ejection over, on trial"
    assert (it.suspect, it.refused_since) == (True, inf)


def test_ejections_double_up_to_the_longest() -> None:
    it, now, lengths = ejected(health()), NOW, []
    for number in range(9):
        lengths.append(it.released_at - now)
        now = it.released_at
        it.time_passed(now, 0, 0)
        it.refused(now, 10_000_000 + number)
        assert it.reason == f"refused on trial, ejected for {it.released_at - now:g} s"
    assert lengths == [5, 10, 20, 40, 80, 160, 300, 300, 300]
    assert EJECTION_MAX_S == 300
    assert it.ejections == 10


@pytest.mark.parametrize(
    ("up_for", "length"),
    [(FORGIVEN_AFTER_S - 0.01, 10.0), (FORGIVEN_AFTER_S, 5.0), (FORGIVEN_AFTER_S + 1, 5.0)],
)
@pytest.mark.parametrize("acquitted", [False, True])
def test_so_long_up_and_the_next_ejection_is_a_first_one(
    up_for: float, length: float, acquitted: bool
) -> None:
    it = on_trial(health())
    if acquitted:
        it.replied()
    for number in range(3):
        it.refused(NOW + up_for, 10_000_000 + number)
    assert it.released_at == NOW + up_for + length


def test_only_time_that_it_was_up_forgives() -> None:
    it = on_trial(health(rise=1))
    it.replied()
    failed(it, "refused", "refused", "refused")
    succeeded(it, now=NOW + FORGIVEN_AFTER_S)
    ejected(it, NOW + FORGIVEN_AFTER_S + 1)
    assert it.released_at == NOW + FORGIVEN_AFTER_S + 1 + 10.0


def test_the_first_ejection_of_one_that_its_probes_have_down_is_a_first_one() -> None:
    it = health()
    failed(it, "refused", "refused", "refused")
    ejected(it)
    assert it.released_at == NOW + EJECTION_S


@pytest.mark.parametrize("probe", ["tcp", *sorted(SERVICE_PROBES)])
@pytest.mark.parametrize(("began", "later"), [(-0.01, False), (0.0, False), (0.01, True)])
def test_only_a_probe_of_the_service_begun_later_ends_an_ejection(
    probe: Probe, began: float, later: bool
) -> None:
    it = ejected(health(probe=probe))
    it.probe_succeeded(NOW + 1, NOW + began, 0.01)
    ends = later and probe != "tcp"
    assert it.up is ends
    if ends:
        assert it.reason == f"a {probe} probe succeeded, on trial"
        assert (it.since, it.released_at, it.standing) == (NOW + 1, NOW + 1, "on_trial")


def test_a_service_probe_of_one_that_is_not_ejected_acquits_nobody() -> None:
    it = on_trial(health(probe="udp"))
    succeeded(it, 5, NOW + 1)
    assert it.standing is Standing.ON_TRIAL


def test_on_trial_one_refusal_ejects_again() -> None:
    it = on_trial(health())
    it.refused(NOW + 1, 10_000_000)
    assert (it.up, it.standing, it.ejections) == (False, "ejected", 2)
    assert it.reason == "refused on trial, ejected for 10 s"
    assert it.refused_since == NOW + 1


def test_on_trial_one_reply_acquits() -> None:
    it = on_trial(health())
    it.replied()
    assert (it.up, it.standing, it.suspect) == (True, "trusted", False)
    it.refused(NOW + 1, 10_000_000)
    it.refused(NOW + 1, 10_000_001)
    assert it.up


def test_refusals_while_it_is_ejected_prolong_nothing() -> None:
    it = ejected(health())
    for number in range(10):
        it.refused(NOW + 1, 10_000_000 + number)
    assert (it.ejections, it.released_at) == (1, NOW + EJECTION_S)


def test_on_trial_a_refusal_of_what_was_refused_already_does_not_count() -> None:
    """The last datagram was sent, and refused, while it was ejected."""
    it = ejected(health())
    it.refused(NOW + 1, 10_000_000)
    it.time_passed(NOW + EJECTION_S, 0, 0)
    it.refused(NOW + EJECTION_S, 10_000_000)
    assert it.standing is Standing.ON_TRIAL
    it.refused(NOW + EJECTION_S, 10_000_001)
    assert it.ejections == 2


# Both


@pytest.mark.parametrize("first", ["probes", "refusals"])
@pytest.mark.parametrize("ends_first", ["probes", "refusals"])
def test_down_is_down_by_probes_or_ejected(first: str, ends_first: str) -> None:
    it = health(rise=1)
    failed(it, "refused", "refused")
    if first == "probes":
        failed(it, "refused", now=NOW - 1)
        ejected(it)
    else:
        ejected(it, NOW - 1)
        failed(it, "refused")
    assert (it.up, it.since) == (False, NOW - 1)
    assert it.reason == "3 tcp probes refused"
    if ends_first == "probes":
        succeeded(it)
        assert not it.up
        assert it.reason == "3 refusals, ejected for 5 s"
        it.time_passed(NOW + 9, 0, 0)
        assert it.reason == "5 s of ejection over, on trial"
    else:
        it.time_passed(NOW + 9, 0, 0)
        assert not it.up
        assert (it.standing, it.reason) == ("on_trial", "3 tcp probes refused")
        succeeded(it, now=NOW + 9)
        assert it.reason == "1 tcp probe succeeded"
    assert (it.up, it.since) == (True, NOW + 9)


def test_the_reason_names_a_port_of_its_own() -> None:
    it = Health(HealthSettings(probe="tcp", port=8080, fall=1))
    it.probe_failed(NOW, "refused")
    assert it.reason == "1 tcp probe refused at port 8080"
