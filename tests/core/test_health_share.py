"""A backend's health: the share of owed replies that came, and settings that change."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.test_health import NOW, ejected, failed, health, on_trial
from udplb.core.health import (
    EJECTION_S,
    FORGIVEN_AFTER_S,
    RATIO_GRACE_S,
    RATIO_REPLIES_MIN,
    RATIO_WINDOW_S,
    Health,
    Standing,
)
from udplb.core.settings import HealthSettings

# The share of replies that came


def after_a_window(it: Health, owed: int, replied: int, late: int = 0) -> Health:
    """So much was owed within a window and so much of it came; then came a burst of 1,000."""
    it.time_passed(NOW, 0, 0)
    it.time_passed(NOW + RATIO_WINDOW_S, owed, replied)
    it.time_passed(NOW + RATIO_WINDOW_S + RATIO_GRACE_S, owed + 1_000, replied + late)
    return it


@pytest.mark.parametrize(
    ("owed", "replied", "up", "share"),
    [
        (RATIO_REPLIES_MIN - 1, 0, True, None),
        (RATIO_REPLIES_MIN, 0, False, 0.0),
        (RATIO_REPLIES_MIN + 1, 21, True, 1.0),
        (100, 79, False, 0.79),
        (100, 80, True, 0.8),
        (100, 81, True, 0.81),
        (100, 300, True, 1.0),
        (0, 0, True, None),
    ],
)
def test_eject_below(owed: int, replied: int, up: bool, share: float | None) -> None:
    it = after_a_window(health(eject_below=0.8), owed, replied)
    assert (it.up, it.answered_share) == (up, share)
    if not up:
        assert share is not None
        assert it.reason == f"{share:.0%} of {owed} replies came, ejected for 5 s"
        assert it.ejections == 1


def test_eject_below_0_is_off_and_the_share_is_told_all_the_same() -> None:
    it = after_a_window(health(), 100, 0)
    assert (it.up, it.answered_share) == (True, 0.0)


@pytest.mark.parametrize(("late", "up"), [(-0.01, True), (0.0, False)])
def test_the_last_replies_of_a_window_have_their_time(late: float, up: bool) -> None:
    it = health(eject_below=0.5)
    it.time_passed(NOW, 0, 0)
    it.time_passed(NOW + RATIO_WINDOW_S - 0.01, 30, 0)
    it.time_passed(NOW + RATIO_WINDOW_S, 30, 0)
    it.time_passed(NOW + RATIO_WINDOW_S + RATIO_GRACE_S + late, 30, 0)
    assert it.up is up
    it.time_passed(NOW + RATIO_WINDOW_S + RATIO_GRACE_S + 0.01, 30, 30)
    assert it.up is up


@pytest.mark.parametrize(
    ("replied", "late", "share"),
    [(990, 0, 0.99), (0, 1_900, 0.95), (400, 1_000, 0.7), (500, 0, 0.5)],
)
def test_a_burst_spoils_one_of_two_looks(replied: int, late: int, share: float) -> None:
    """1,000 are owed in the window, perhaps all of them by its last instant, 1,000 after it."""
    it = after_a_window(health(eject_below=0.6), 1_000, replied, late)
    assert (it.answered_share, it.up) == (share, share > 0.6)


def test_a_burst_right_behind_a_window_is_of_the_next() -> None:
    it = health(eject_below=0.9)
    it.time_passed(NOW, 0, 0)
    it.time_passed(NOW + RATIO_WINDOW_S, 100, 100)
    it.time_passed(NOW + RATIO_WINDOW_S + RATIO_GRACE_S, 5_100, 5_100)
    it.time_passed(NOW + 2 * RATIO_WINDOW_S, 5_200, 5_180)
    it.time_passed(NOW + 2 * RATIO_WINDOW_S + RATIO_GRACE_S, 5_200, 5_180)
    assert it.answered_share == 5_080 / 5_100


def test_each_window_is_judged_by_itself() -> None:
    it = health(eject_below=0.5)
    it.time_passed(NOW, 7_000, 10)
    owed, replied = 7_000, 10
    for window, share in enumerate((1.0, 0.6, 0.9), 1):
        owed, replied = owed + 100, replied + int(share * 100)
        it.time_passed(NOW + window * RATIO_WINDOW_S, owed, replied)
        it.time_passed(NOW + window * RATIO_WINDOW_S + RATIO_GRACE_S, owed, replied)
        assert it.answered_share == share
    end = NOW + 4 * RATIO_WINDOW_S
    it.time_passed(end, owed + 100, replied + 49)
    it.time_passed(end + RATIO_GRACE_S, owed + 100, replied + 49)
    assert not it.up


def test_who_is_ejected_is_not_ejected_again_and_on_trial_begins_a_new_window() -> None:
    it = after_a_window(health(eject_below=0.5), 100, 0)
    at = it.released_at
    it.time_passed(at - 0.01, 5_000, 0)
    assert it.ejections == 1
    it.time_passed(at, 5_000, 0)
    assert it.standing is Standing.ON_TRIAL
    it.time_passed(at + RATIO_WINDOW_S, 5_100, 100)
    it.time_passed(at + RATIO_WINDOW_S + RATIO_GRACE_S, 5_100, 100)
    assert (it.up, it.answered_share) == (True, 1.0)
    it.time_passed(at + 2 * RATIO_WINDOW_S, 5_200, 110)
    it.time_passed(at + 2 * RATIO_WINDOW_S + RATIO_GRACE_S, 5_200, 110)
    assert (it.up, it.ejections) == (False, 2), "too few answers eject one on trial as well"
    assert it.reason == "10% of 100 replies came, ejected for 10 s"


# Other settings


def test_other_settings_of_the_same_probe_change_what_comes() -> None:
    it = health(fall=3)
    failed(it, "refused", "refused")
    it.settings_changed(NOW, HealthSettings(probe="tcp", fall=5))
    failed(it, "refused")
    assert it.up
    failed(it, "refused", "refused")
    assert it.reason == "5 tcp probes refused"


@pytest.mark.parametrize("other", [{"probe": "off"}, {"probe": "udp"}, {"port": 80}])
def test_what_another_probe_found_is_dropped(other: dict[str, Any]) -> None:
    it = health()
    failed(it, "refused", "refused", "refused")
    it.settings_changed(NOW + 1, HealthSettings(**{"probe": "tcp", **other}))
    assert (it.up, it.reason, it.since) == (True, "its probe was changed", NOW + 1)
    failed(it, "timed out", "timed out")
    assert it.up
    failed(it, "timed out")
    assert it.reason.startswith(f"3 {it.settings.probe} probes timed out")


def test_settings_that_change_nothing_move_nothing() -> None:
    it = ejected(health())
    was = it.reason
    it.settings_changed(NOW + 1, HealthSettings(probe="udp"))
    assert (it.up, it.reason, it.since) == (False, was, NOW)
    up = health()
    up.settings_changed(NOW + 1, HealthSettings(probe="udp"))
    assert (up.reason, up.since) == ("", None)


def test_passive_health_switched_off_ends_an_ejection() -> None:
    it = ejected(health())
    it.settings_changed(NOW + 1, HealthSettings(passive=False))
    assert (it.up, it.reason) == (True, "passive health was switched off")


def test_passive_health_switched_off_forgets_refusals_and_acquits() -> None:
    it = health()
    it.refused(NOW, 1)
    trial = on_trial(health())
    for each in (it, trial):
        each.settings_changed(NOW + 1, HealthSettings(passive=False))
        assert (each.suspect, each.standing) == (False, "trusted")


def test_an_ejection_for_too_few_answers_outlives_passive_health() -> None:
    it = after_a_window(health(eject_below=0.5), 100, 0)
    it.settings_changed(NOW + 12, HealthSettings(passive=False, eject_below=0.5))
    assert not it.up


@pytest.mark.parametrize(("after", "standing"), [(-1.0, "on_trial"), (0.0, "trusted")])
def test_a_trial_without_news_ends(after: float, standing: str) -> None:
    """Who never replies is not for ever one refusal away from its next ejection."""
    health = Health(HealthSettings(refusals=1))
    health.refused(0.0, 1)
    health.time_passed(EJECTION_S, 0, 0)
    assert health.standing == "on_trial"
    health.time_passed(EJECTION_S + FORGIVEN_AFTER_S + after, 0, 0)
    assert health.standing == standing


def ejected_for_silence(**keys: Any) -> Health:
    return after_a_window(health(eject_below=0.5, **keys), 100, 0)


@pytest.mark.parametrize(("passive", "standing"), [(True, "on_trial"), (False, "trusted")])
def test_who_was_ejected_for_silence_is_released_where_that_no_longer_counts(
    passive: bool, standing: str
) -> None:
    it = ejected_for_silence()
    it.settings_changed(NOW + 12, HealthSettings(probe="udp", passive=passive))
    assert (it.up, it.reason, it.standing) == (True, "eject_below was switched off", standing)


def test_who_refused_is_released_though_silence_still_counts() -> None:
    it = ejected(health(eject_below=0.5))
    it.settings_changed(NOW + 1, HealthSettings(passive=False, eject_below=0.5))
    assert (it.up, it.reason) == (True, "passive health was switched off")
    assert it.standing is Standing.TRUSTED, "nobody would ever acquit it"


def test_who_refused_is_not_released_because_silence_counts_no_longer() -> None:
    it = ejected(health(eject_below=0.5))
    it.settings_changed(NOW + 1, HealthSettings())
    assert not it.up


def test_another_probe_has_no_latency_yet() -> None:
    it = health()
    it.probe_succeeded(NOW, NOW, 0.25)
    it.settings_changed(NOW, HealthSettings(probe="tcp", fall=9))
    assert (it.latency_s, it.probed_at) == (0.25, NOW)
    it.settings_changed(NOW, HealthSettings(probe="off"))
    assert (it.latency_s, it.probed_at) == (None, None)


def test_replies_that_are_counted_anew() -> None:
    it = after_a_window(health(), 100, 60)
    it.replies_counted_anew()
    assert it.answered_share is None
    it.time_passed(NOW + 20, 5_000, 60)
    it.time_passed(NOW + 30, 5_100, 160)
    it.time_passed(NOW + 31, 5_100, 160)
    assert it.answered_share == 1.0
