"""What `check` warns about: files that are valid and yet hardly mean what they say."""

from __future__ import annotations

from udplb.config.problems import Report
from udplb.config.section import Origin
from udplb.config.tables import Table
from udplb.core.settings import PROFILES, Balance, Probe

HRW_BACKENDS_MAX = 64
"""hrw looks at every backend for every new flow; above this maglev is cheaper."""

MAGLEV_TABLE_SIZE = 65_537
"""The default size of a maglev table, a prime (Eisenbud et al., Maglev, NSDI 2016)."""

SLOTS_PER_BACKEND_MIN = 100
"""With fewer, shares stray from the weights by more than 1 % (the same paper, section 3.4)."""

_HASHING: tuple[Balance, ...] = ("hrw", "maglev")

_OF_ONE_PROBE: dict[str, Probe] = {
    "send": "udp",
    "expect": "udp",
    "secret": "radius",
    "query_name": "dns",
    "query_type": "dns",
    "rcodes": "dns",
}
"""Keys that only one kind of probe looks at."""

_OF_PROBES = (*_OF_ONE_PROBE, "port", "interval", "timeout", "rise", "fall")
"""Keys that do nothing without a probe."""

_OF_REFUSALS = ("refusals", "refusal_window")
"""Keys that do nothing where `passive` is false."""


def give_advice(root: Table, report: Report) -> None:
    """Report what deserves a warning in a file without errors."""
    _advise_pending(root, report)
    used = {listener.values["cluster"] for listener in root.sections["listeners"]}
    for cluster in root.sections["clusters"]:
        _advise_balance(cluster, report)
        _advise_weights(cluster, report)
        _advise_probe(cluster.only("health"), report)
        _advise_ejection(cluster, report)
        _advise_passive(cluster.only("health"), report)
        _advise_down(cluster, report)
        if cluster.name not in used:
            report.add(cluster.path, "no listener uses this cluster", "it has no effect")


def _advise_pending(table: Table, report: Report) -> None:
    for key in table.section.keys:
        if not key.pending or key.name not in table.written:
            continue
        value = table.values[key.name]
        default = None if isinstance(key.default, Origin) else key.default_value()
        # False, "off" and None are what a feature that does not exist does anyway.
        if value != default and value not in (False, "off", None):
            report.add((*table.path, key.name), "not in this version", "it has no effect")
    for tables in table.sections.values():
        for inner in tables:
            _advise_pending(inner, report)


def _advise_balance(cluster: Table, report: Report) -> None:
    balance = cluster.values["balance"]
    count = len(cluster.sections["backends"])
    if balance == "hrw" and count > HRW_BACKENDS_MAX:
        report.add(
            (*cluster.path, "balance"),
            f"hrw with {count} backends is slow, above {HRW_BACKENDS_MAX} maglev is better",
            'write balance = "maglev"',
        )
    if balance == "maglev" and SLOTS_PER_BACKEND_MIN * count > MAGLEV_TABLE_SIZE:
        report.add(
            (*cluster.path, "balance"),
            f"maglev with {count} backends gives each fewer than {SLOTS_PER_BACKEND_MIN} of its "
            f"{MAGLEV_TABLE_SIZE} slots",
            "shares will stray from the weights; use fewer backends",
        )
    if balance not in _HASHING and "affinity" in cluster.written:
        report.add(
            (*cluster.path, "affinity"),
            f"{balance} does not hash the client",
            "affinity has no effect; it needs hrw or maglev",
        )
    if balance in _HASHING and cluster.values.get("requests", 0) > 0:
        report.add(
            (*cluster.path, "requests"),
            f"{balance} sends the same client to the same backend again",
            "requests does nothing useful; it needs round_robin, random or least_flows",
        )


def _advise_weights(cluster: Table, report: Report) -> None:
    takers = [
        backend
        for backend in cluster.sections["backends"]
        if backend.values["weight"] > 0 and backend.values["state"] == "active"
    ]
    if not takers:
        report.add(
            (*cluster.path, "backends"),
            "every backend has weight 0 or is draining",
            "new clients will be dropped; give one a weight",
        )


def _advise_probe(health: Table, report: Report) -> None:
    """A probe that was switched off in writing may keep its keys until it is switched on again."""
    probe = health.values["probe"]
    if probe == "off":
        idle = [name for name in _OF_PROBES if name in health.written]
        if idle and "probe" not in health.written:
            report.add(
                (*health.path, idle[0]),
                "nothing is probed, since there is no probe",
                f"without effect: {', '.join(idle)}",
            )
        return
    for name, its_probe in _OF_ONE_PROBE.items():
        if name in health.written and probe != its_probe:
            report.add(
                (*health.path, name),
                f"a {probe} probe does not use it",
                f'it has no effect; it needs probe = "{its_probe}"',
            )
    if health.values["timeout"] > health.values["interval"]:
        report.add(
            (*health.path, "timeout"),
            "longer than the interval",
            "a silent backend is found later, as each probe waits for the one before",
        )


def _owes_replies(cluster: Table) -> bool:
    """The answered share is known where replies are counted."""
    profile = PROFILES[cluster.values["profile"]]
    return bool(cluster.values.get("responses", profile.terms.responses) > 0)


def _advise_ejection(cluster: Table, report: Report) -> None:
    health = cluster.only("health")
    if health.values["eject_below"] > 0 and not _owes_replies(cluster):
        report.add(
            (*health.path, "eject_below"),
            "responses is 0, so no answers are owed",
            "it has no effect; it needs responses, or a profile that sets them",
        )


def _advise_passive(health: Table, report: Report) -> None:
    idle = [name for name in _OF_REFUSALS if name in health.written]
    if idle and not health.values["passive"]:
        report.add(
            (*health.path, idle[0]),
            "refusals do not count, since passive is false",
            f"without effect: {', '.join(idle)}",
        )


def _advise_down(cluster: Table, report: Report) -> None:
    """What happens to the flows of a backend that goes down, where none ever does."""
    what, health = cluster.values["on_backend_down"], cluster.only("health").values
    ejects = health["eject_below"] > 0 and _owes_replies(cluster)
    if what != "keep" and health["probe"] == "off" and not health["passive"] and not ejects:
        report.add(
            (*cluster.path, "on_backend_down"),
            "nothing takes a backend down: there is no probe, and passive is false",
            f"{what} has no effect; it needs a probe, passive or eject_below",
        )
