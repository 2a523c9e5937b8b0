from __future__ import annotations

from collections.abc import Callable

import pytest

from udplb.config.problems import Report
from udplb.config.tables import read_document

Complaints = Callable[[str], list[str]]

BASE = """\
[[listeners]]
name = "l"
address = "192.0.2.1:53"
cluster = "c"
{listener}
[clusters.c]
{cluster}
[[clusters.c.backends]]
address = "10.0.0.1:53"
{backend}
[clusters.c.health]
{health}
[engine]
{engine}
"""
"""A valid file with a free line in every section: 5, 7, 10, 12 and 14."""

SLOTS = ("listener", "cluster", "backend", "health", "engine")

SPAN = 'as "500ms", "30s", "2m", "1h" or in seconds'
WHOLE = "allowed: a whole number from 0 to"
ADDRESS = "allowed: a literal IP address and a port, as"
NAME = "allowed: 1 to 255 printable characters, no space at either end"

CASES: list[tuple[str, str, list[str]]] = [
    # Unknown keys and sections: a near miss, where it belongs, or what is known.
    (
        "backend",
        "wieght = 1",
        ["f.toml:10: clusters.c.backends[0].wieght: unknown key; did you mean weight?"],
    ),
    (
        "cluster",
        "Balance = 'hrw'",
        ["f.toml:7: clusters.c.Balance: unknown key; did you mean balance?"],
    ),
    (
        "cluster",
        "weight = 1",
        ["f.toml:7: clusters.c.weight: unknown key; it belongs in [[clusters.NAME.backends]]"],
    ),
    (
        "engine",
        "name = 'x'",
        [
            "f.toml:14: engine.name: unknown key; it belongs in [[listeners]] or "
            "[[clusters.NAME.backends]]"
        ],
    ),
    (
        "backend",
        "zzz = 1",
        [
            "f.toml:10: clusters.c.backends[0].zzz: unknown key; known here: name, address, "
            "weight, backup, state"
        ],
    ),
    (
        "engine",
        '"a\\u001b[1m" = 1',
        [
            'f.toml:14: engine."a\\x1b[1m": unknown key; known here: log_level, log_format, '
            "control_socket, metrics_address, drain_timeout, max_flows, upstream_port_rest, "
            "busy_poll, hash_seed, gso, gro"
        ],
    ),
    ("engine", "[listener]", ["f.toml:14: listener: unknown key; did you mean listeners?"]),
    (
        "engine",
        "[health]",
        ["f.toml:14: health: unknown key; it belongs in [clusters.NAME.health]"],
    ),
    # Wrong types.
    (
        "backend",
        "weight = true",
        [f"f.toml:10: clusters.c.backends[0].weight: found true; {WHOLE} 1000"],
    ),
    (
        "backend",
        "weight = 1.0",
        [f"f.toml:10: clusters.c.backends[0].weight: found 1.0; {WHOLE} 1000"],
    ),
    (
        "backend",
        "backup = 1",
        ["f.toml:10: clusters.c.backends[0].backup: found 1; allowed: true or false"],
    ),
    (
        "listener",
        "max_flows = 'many'",
        [f'f.toml:5: listeners[0].max_flows: found "many"; {WHOLE} 10000000'],
    ),
    (
        "listener",
        "allow = '10.0.0.0/8'",
        [
            'f.toml:5: listeners[0].allow: found "10.0.0.0/8"; allowed: an array: a network in '
            'CIDR form, as "10.0.0.0/8" or "2001:db8::/32", or one address'
        ],
    ),
    (
        "engine",
        "log_level = 'trace'",
        [
            'f.toml:14: engine.log_level: found "trace"; allowed: "debug", "info", "warning" or '
            '"error"'
        ],
    ),
    (
        "cluster",
        "balance = 'hwr'",
        [
            'f.toml:7: clusters.c.balance: found "hwr"; allowed: "hrw", "maglev", "round_robin", '
            '"random" or "least_flows"; did you mean "hrw"?'
        ],
    ),
    # Out of range.
    (
        "backend",
        "weight = 1001",
        [f"f.toml:10: clusters.c.backends[0].weight: found 1001; {WHOLE} 1000"],
    ),
    (
        "backend",
        "weight = -1",
        [f"f.toml:10: clusters.c.backends[0].weight: found -1; {WHOLE} 1000"],
    ),
    ("backend", "weight = 1000", []),
    ("backend", "weight = 0\n[[clusters.c.backends]]\naddress = '10.0.0.2:53'", []),
    (
        "listener",
        "max_datagram_size = 65508",
        [
            "f.toml:5: listeners[0].max_datagram_size: found 65508; allowed: a whole number "
            "from 1 to 65507"
        ],
    ),
    # Durations, sizes, odd numbers.
    (
        "cluster",
        "max_age = nan",
        ["f.toml:7: clusters.c.max_age: found nan; allowed: a duration from 0s to 8760h, " + SPAN],
    ),
    (
        "cluster",
        "front_timeout = -inf",
        [
            "f.toml:7: clusters.c.front_timeout: found -inf; allowed: a duration from 1ms to "
            f"24h, {SPAN}"
        ],
    ),
    (
        "engine",
        "drain_timeout = '30'",
        [
            'f.toml:14: engine.drain_timeout: found "30"; allowed: a duration from 0s to 24h, '
            + SPAN
        ],
    ),
    (
        "listener",
        "receive_buffer = '4mb'",
        [
            'f.toml:5: listeners[0].receive_buffer: found "4mb"; allowed: a size from 4KiB to '
            '1GiB, as "64KiB", "4MiB", "1GB" or in bytes'
        ],
    ),
    (
        "health",
        "eject_below = inf",
        ["f.toml:12: clusters.c.health.eject_below: found inf; allowed: a number from 0 to 1"],
    ),
    (
        "health",
        "port = 0",
        ["f.toml:12: clusters.c.health.port: found 0; allowed: a whole number from 1 to 65535"],
    ),
    # Networks, element by element.
    (
        "listener",
        "deny = [\n  '10.0.0.1/8',\n  '::/0', 5,\n]",
        [
            'f.toml:6: listeners[0].deny[0]: found "10.0.0.1/8"; bits are set behind the prefix; '
            'the network is "10.0.0.0/8"',
            "f.toml:7: listeners[0].deny[2]: found 5; allowed: a network in CIDR form, as "
            '"10.0.0.0/8" or "2001:db8::/32", or one address',
        ],
    ),
    # Names.
    (
        "backend",
        "name = ''",
        [f'f.toml:10: clusters.c.backends[0].name: found ""; {NAME}'],
    ),
    (
        "backend",
        'name = "a\\u001b[2J"',
        [f'f.toml:10: clusters.c.backends[0].name: found "a\\x1b[2J"; {NAME}'],
    ),
    (
        "engine",
        "[[clusters.'a/b'.backends]]\naddress = '10.0.0.1:53'",
        [f'f.toml:14: clusters."a/b": found "a/b"; {NAME}, no "/"'],
    ),
    # Seeds are secret.
    (
        "engine",
        "hash_seed = ['hunter2']",
        [
            "f.toml:14: engine.hash_seed: found a value that is not shown, since it may be "
            "secret; allowed: a whole number from 0 to 9223372036854775807, or a secret text"
        ],
    ),
    # Missing keys stand on their table's line.
    (
        "backend",
        "[[clusters.c.backends]]\nname = 'x'",
        [
            f'f.toml:10: clusters.c.backends[1].address: missing; {ADDRESS} "10.0.0.10:53" or '
            '"[2001:db8::1]:53"'
        ],
    ),
    (
        "engine",
        "\n[clusters.empty]",
        [
            "f.toml:15: clusters.empty.backends: missing; at least one "
            "[[clusters.empty.backends]] is needed"
        ],
    ),
    (
        "engine",
        "[clusters.empty]\nbackends = []",
        [
            "f.toml:15: clusters.empty.backends: missing; at least one "
            "[[clusters.empty.backends]] is needed"
        ],
    ),
]


@pytest.mark.parametrize(("slot", "line", "expected"), CASES)
def test_mistakes_of_one_key(errors: Complaints, slot: str, line: str, expected: list[str]) -> None:
    assert errors(BASE.format(**{**dict.fromkeys(SLOTS, ""), slot: line})) == expected


SHAPES: list[tuple[str, list[str]]] = [
    ("", ["f.toml:1: listeners: missing; at least one [[listeners]] is needed"]),
    ("[[engine]]\n", ["f.toml:1: engine: found an array; write it as [engine]"]),
    ("\n[listeners]\n", ["f.toml:2: listeners: found a table; write it as [[listeners]]"]),
    ("listeners = [5]", ["f.toml:1: listeners[0]: found 5; allowed: a table"]),
    ("[[clusters]]\n", ["f.toml:1: clusters: found an array; write it as [clusters.NAME]"]),
    ("\n[clusters]\nc = 5", ["f.toml:3: clusters.c: found 5; allowed: a table"]),
    (
        "[clusters.c]\nhealth = true\nbackends = {}",
        [
            "f.toml:2: clusters.c.health: found true; write it as [clusters.c.health]",
            "f.toml:3: clusters.c.backends: found a table; write it as [[clusters.c.backends]]",
        ],
    ),
    (
        "[[listeners]]\n",
        [
            f"f.toml:1: listeners[0].name: missing; {NAME}",
            f'f.toml:1: listeners[0].address: missing; {ADDRESS} "0.0.0.0:53" or "[::]:53"',
            f"f.toml:1: listeners[0].cluster: missing; {NAME}",
        ],
    ),
]


@pytest.mark.parametrize(("text", "expected"), SHAPES)
def test_sections_of_the_wrong_shape(errors: Complaints, text: str, expected: list[str]) -> None:
    lines = errors(text)
    if "listeners" not in text and text:
        lines.remove("f.toml:1: listeners: missing; at least one [[listeners]] is needed")
    assert lines == expected


def test_values_and_defaults_are_told_apart() -> None:
    document = {"engine": {"gso": "off", "gro": "wrong"}, "clusters": {"c": {}}}
    report = Report()
    root = read_document(document, report)
    engine = root.only("engine")
    assert engine.written == {"gso", "gro"}
    assert engine.values["gso"] == "off"
    assert engine.values["drain_timeout"] == 30.0
    assert "gro" not in engine.values
    (cluster,) = root.sections["clusters"]
    assert cluster.name == "c"
    assert "affinity" not in cluster.values
    assert [finding.path for finding in report.findings] == [
        ("engine", "gro"),
        ("listeners",),
        ("clusters", "c", "backends"),
    ]
