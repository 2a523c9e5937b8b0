"""Whether a backend lives: probes and passive signals made into one state, with reason and time.

A backend is down while its probes say so (`fall` failures in a row, until `rise` successes), or
while it is ejected: passive signals took it down for a time that doubles when they do it again.
`TRANSITIONS` is the whole life of the passive part; LIFECYCLE.md's table is made from it.
"""

from __future__ import annotations

from collections import deque
from math import inf

from udplb.core.reasons import Explained
from udplb.core.settings import SERVICE_PROBES, HealthSettings

EJECTION_S = 5.0
"""The first ejection; each further one is twice as long."""
EJECTION_MAX_S = 300.0
FORGIVEN_AFTER_S = 600.0
"""So long up, and the next ejection is a first one again."""
RATIO_WINDOW_S = 10.0
RATIO_GRACE_S = 1.0
"""A second look at a window so much later: the replies to a burst at its end may still come."""
RATIO_REPLIES_MIN = 20
"""Replies owed within a window; with fewer the answered share says nothing."""


class Standing(Explained):
    """What passive signals make of a backend."""

    TRUSTED = "trusted", "nothing speaks against it"
    EJECTED = "ejected", "down for a time: refusals, or too few answers"
    ON_TRIAL = "on_trial", "up again: one refusal ejects it anew, one reply acquits it"


class Verdict(Explained):
    """What moves a backend from one standing to the next."""

    EJECTED = "ejected", "`refusals` within `refusal_window`, one on trial, or below `eject_below`"
    RELEASED = "released", "its time is over, or a probe begun since had its answer (not tcp)"
    ACQUITTED = "acquitted", "it replied to somebody, or nothing spoke against it for long"


TRANSITIONS: dict[tuple[Standing, Verdict], Standing] = {
    (Standing.TRUSTED, Verdict.EJECTED): Standing.EJECTED,
    (Standing.EJECTED, Verdict.RELEASED): Standing.ON_TRIAL,
    (Standing.ON_TRIAL, Verdict.ACQUITTED): Standing.TRUSTED,
    (Standing.ON_TRIAL, Verdict.EJECTED): Standing.EJECTED,
}


class Health:
    """One backend's health. Times are the core's `now` in seconds.

    What a method learns shows in `up`, `reason` and `since`.
    """

    __slots__ = (
        "_ejected_at",
        "_ejection_reason",
        "_ejection_s",
        "_failures",
        "_owed",
        "_owed_by_end",
        "_probe_reason",
        "_probes_fail",
        "_refused_at",
        "_released_at",
        "_replied",
        "_replied_by_end",
        "_sent",
        "_successes",
        "_why",
        "_window_began_at",
        "_window_ended_at",
        "answered_share",
        "ejections",
        "latency_s",
        "probed_at",
        "reason",
        "refused_since",
        "released_at",
        "settings",
        "since",
        "standing",
        "up",
    )

    def __init__(self, settings: HealthSettings) -> None:
        self.settings = settings
        self.up = True
        self.reason = ""
        """Why it is up or down; empty while nothing has happened."""
        self.since: float | None = None
        """When it went up or down; None: it is up from the start."""
        self.standing = Standing.TRUSTED
        self.ejections = 0
        self.released_at = -inf
        """When the present ejection ends, or the last one ended."""
        self.refused_since = inf
        """When the first of the refusals came that count now; infinity: none counts."""
        self.latency_s: float | None = None
        """How long the last probe that succeeded took."""
        self.probed_at: float | None = None
        """When the last probe's result came."""
        self.answered_share: float | None = None
        """Of the replies owed in the last window that was long enough; None before it."""
        self._probes_fail = False
        self._probe_reason = ""
        self._successes = 0
        self._failures = 0
        self._why: set[str] = set()
        self._ejected_at = -inf
        self._ejection_s = 0.0
        self._ejection_reason = ""
        self._refused_at: deque[float] = deque()
        self._sent = -1
        self._window_began_at: float | None = None
        self._window_ended_at: float | None = None
        self._owed = 0
        self._owed_by_end = 0
        self._replied = 0
        self._replied_by_end = 0

    @property
    def suspect(self) -> bool:
        """Whether a reply would be news: refusals count against it, or it is on trial."""
        return bool(self._refused_at) or self.standing is Standing.ON_TRIAL

    @property
    def refuses_since(self) -> float:
        """Since when what was sent was in vain; infinity unless it is ejected for refusals."""
        return self.refused_since if self.standing is Standing.EJECTED else inf

    # Probes

    def probe_succeeded(self, now: float, started_at: float, latency_s: float) -> None:
        """A probe that was begun at `started_at` had its answer."""
        settings = self.settings
        self.latency_s = latency_s
        self.probed_at = now
        self._failures = 0
        self._why.clear()
        self._successes += 1
        if self._probes_fail and self._successes >= settings.rise:
            self._probes_fail = False
            self._settle(now, f"{_probes(settings.rise, settings.probe)} succeeded")
        if (
            self.standing is Standing.EJECTED
            and settings.probe in SERVICE_PROBES
            and started_at > self._ejected_at
        ):
            self._release(now, f"a {settings.probe} probe succeeded, on trial")

    def probe_failed(self, now: float, why: str) -> None:
        """A probe had no answer; `why` reads behind "3 probes": refused, timed out, ..."""
        settings = self.settings
        self.probed_at = now
        self._successes = 0
        self._failures += 1
        if self._probes_fail:
            return
        self._why.add(why)
        if self._failures >= settings.fall:
            self._probes_fail = True
            how = why if len(self._why) == 1 else f"failed, the last one {why}"
            self._why.clear()
            where = f" at port {settings.port}" if settings.port else ""
            self._probe_reason = f"{_probes(settings.fall, settings.probe)} {how}{where}"
            self._settle(now, self._probe_reason)

    # Passive signals

    def refused(self, now: float, sent: int) -> None:
        """A host answered "unreachable", when `sent` datagrams had been sent to the backend."""
        settings = self.settings
        if not settings.passive or sent <= self._sent:
            return
        self._sent = sent
        if self.standing is Standing.EJECTED:
            return
        if self.standing is Standing.ON_TRIAL:
            self.refused_since = now
            self._eject(now, "refused on trial")
            return
        refused_at = self._refused_at
        refused_at.append(now)
        while now - refused_at[0] > settings.refusal_window:
            refused_at.popleft()
        self.refused_since = refused_at[0]
        if len(refused_at) >= settings.refusals:
            count = len(refused_at)
            self._eject(now, f"{count} refusal{'s' if count > 1 else ''}")

    def replied(self) -> None:
        """The backend replied to somebody, so that no refusal counts any more."""
        self._refused_at.clear()
        self.refused_since = inf
        if self.standing is Standing.ON_TRIAL:
            self._turn(Verdict.ACQUITTED)

    # Time

    def time_passed(self, now: float, owed: int, replied: int) -> None:
        """So many replies were owed by now since the start, and so many of them came."""
        if self.standing is Standing.EJECTED:
            if now < self.released_at:
                return
            self._release(now, f"{self._ejection_s:g} s of ejection over, on trial")
        elif self.standing is Standing.ON_TRIAL and now >= self.released_at + FORGIVEN_AFTER_S:
            self._turn(Verdict.ACQUITTED)
        if self._window_began_at is None:
            self._window_began_at, self._owed, self._replied = now, owed, replied
        if self._window_ended_at is None:
            if now < self._window_began_at + RATIO_WINDOW_S:
                return
            self._window_ended_at = now
            self._owed_by_end, self._replied_by_end = owed, replied
        if now < self._window_ended_at + RATIO_GRACE_S:
            return
        owed_in_it = self._owed_by_end - self._owed
        if owed_in_it >= RATIO_REPLIES_MIN:
            # What was just sent counts as unanswered. A burst spoils one of the two looks.
            at_its_end = (self._replied_by_end - self._replied) / owed_in_it
            later = (replied - self._replied) / max(1, owed - self._owed)
            share = self.answered_share = min(1.0, max(0.0, at_its_end, later))
            if share < self.settings.eject_below:
                self.refused_since = inf
                self._eject(now, f"{share:.0%} of {owed_in_it} replies came")
        self._window_began_at, self._window_ended_at = self._window_ended_at, None
        self._owed, self._replied = self._owed_by_end, self._replied_by_end

    def settings_changed(self, now: float, settings: HealthSettings) -> None:
        """The operator changed how health is judged; what the old settings found is dropped where
        they no longer look."""
        before, self.settings = self.settings, settings
        if settings.probe != before.probe or settings.port != before.port:
            self._successes = self._failures = 0
            self._why.clear()
            self.latency_s = self.probed_at = None
            if self._probes_fail:
                self._probes_fail = False
                self._settle(now, "its probe was changed")
        if self.standing is Standing.EJECTED:
            if self.refuses_since == inf:
                if before.eject_below and not settings.eject_below:
                    self._release(now, "eject_below was switched off")
            elif not settings.passive:
                self._release(now, "passive health was switched off")
        if not settings.passive:
            self.replied()

    def replies_counted_anew(self) -> None:
        """`responses` was changed: what a share says of the replies before is no longer true."""
        self.answered_share = None
        self._window_began_at = self._window_ended_at = None

    # How it changes

    def _turn(self, verdict: Verdict) -> None:
        self.standing = TRANSITIONS[self.standing, verdict]

    def _eject(self, now: float, reason: str) -> None:
        """Take it down for a time: twice as long as the last, unless that is long ago."""
        up_for = now - self.since if self.up and self.since is not None else 0.0
        first = not self.ejections or up_for >= FORGIVEN_AFTER_S
        self._ejection_s = EJECTION_S if first else min(EJECTION_MAX_S, 2 * self._ejection_s)
        self._turn(Verdict.EJECTED)
        self._ejected_at = now
        self.released_at = now + self._ejection_s
        self.ejections += 1
        self._refused_at.clear()
        self._ejection_reason = f"{reason}, ejected for {self._ejection_s:g} s"
        self._settle(now, self._ejection_reason)

    def _release(self, now: float, reason: str) -> None:
        self._turn(Verdict.RELEASED)
        self.released_at = now
        self.refused_since = inf
        self._window_began_at = self._window_ended_at = None  # a fresh look
        self._settle(now, reason)

    def _settle(self, now: float, reason: str) -> None:
        """Note what both parts come to, and why, if that is a change."""
        up = not self._probes_fail and self.standing is not Standing.EJECTED
        if up is not self.up:
            self.up, self.reason, self.since = up, reason, now
        elif not up:  # the other reason may just have gone
            self.reason = self._probe_reason if self._probes_fail else self._ejection_reason


def _probes(count: int, probe: str) -> str:
    return f"{count} {probe} probe{'s' if count > 1 else ''}"
