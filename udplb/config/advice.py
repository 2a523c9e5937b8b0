"""What `check` warns about: files that are valid and yet hardly mean what they say."""

from __future__ import annotations

from udplb.config.problems import Report
from udplb.config.section import Origin
from udplb.config.tables import Table
from udplb.core.settings import Balance

HRW_BACKENDS_MAX = 64
"""hrw looks at every backend for every new flow; above this maglev is cheaper."""

MAGLEV_TABLE_SIZE = 65_537
"""The default size of a maglev table, a prime (Eisenbud et al., Maglev, NSDI 2016)."""

SLOTS_PER_BACKEND_MIN = 100
"""With fewer, shares stray from the weights by more than 1 % (the same paper, section 3.4)."""

_HASHING: tuple[Balance, ...] = ("hrw", "maglev")


def give_advice(root: Table, report: Report) -> None:
    """Report what deserves a warning in a file without errors."""
    _advise_pending(root, report)
    used = {listener.values["cluster"] for listener in root.sections["listeners"]}
    for cluster in root.sections["clusters"]:
        _advise_balance(cluster, report)
        _advise_weights(cluster, report)
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
