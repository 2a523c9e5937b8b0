from __future__ import annotations

from collections.abc import Callable

import pytest

Complaints = Callable[[str], list[str]]

HEAD = """\
[[listeners]]
name = "l"
address = "192.0.2.1:53"
cluster = "c"
[clusters.c]
"""
ONE = '[[clusters.c.backends]]\naddress = "10.0.0.1:53"\n'


def backends(count: int) -> str:
    inner = ",".join(f'{{address="10.{i >> 8}.{i & 255}.1:53"}}' for i in range(count))
    return f"backends = [{inner}]\n"


HEALTH = "[clusters.c.health]\n"
DNS_KEYS = 'query_name = "a"\nquery_type = "A"\nrcodes = ["NOERROR"]\n'


def unused(line: int, key: str, probe: str, needed: str) -> str:
    return (
        f"f.toml:{line}: clusters.c.health.{key}: a {probe} probe does not use it; it has no "
        f'effect; it needs probe = "{needed}"'
    )


UNSEEN = "not in this version; it has no effect"

IGNORED = (
    "f.toml:{line}: clusters.c.health.{key}: refusals do not count, since passive is false; "
    "without effect: {keys}"
)

CASES: list[tuple[str, list[str]]] = [
    (ONE, []),
    (
        "\n" + backends(65),
        [
            "f.toml:5: clusters.c.balance: hrw with 65 backends is slow, above 64 maglev is "
            'better; write balance = "maglev"'
        ],
    ),
    (backends(64), []),
    ('balance = "maglev"\n' + backends(655), []),
    (
        'balance = "maglev"\n' + backends(656),
        [
            "f.toml:6: clusters.c.balance: maglev with 656 backends gives each fewer than 100 of "
            "its 65537 slots; shares will stray from the weights; use fewer backends"
        ],
    ),
    *(
        (
            f'balance = "{balance}"\naffinity = "source_ip_port"\n' + ONE,
            [
                f"f.toml:7: clusters.c.affinity: {balance} does not hash the client; affinity has "
                "no effect; it needs hrw or maglev"
            ],
        )
        for balance in ("round_robin", "random", "least_flows")
    ),
    ('balance = "random"\nprofile = "session"\n' + ONE, []),
    ('affinity = "source_ip"\n' + ONE, []),
    *(
        (
            f'balance = "{balance}"\nrequests = 1\n' + ONE,
            [
                f"f.toml:7: clusters.c.requests: {balance} sends the same client to the same "
                "backend again; requests does nothing useful; it needs round_robin, random or "
                "least_flows"
            ],
        )
        for balance in ("hrw", "maglev")
    ),
    ("requests = 0\n" + ONE, []),
    ('balance = "round_robin"\nrequests = 1\n' + ONE, []),
    (
        ONE + "weight = 0\n" + ONE.replace("0.1", "0.2") + 'state = "drain"\n',
        [
            "f.toml:6: clusters.c.backends: every backend has weight 0 or is draining; new clients "
            "will be dropped; give one a weight"
        ],
    ),
    (ONE + "weight = 0\n" + ONE.replace("0.1", "0.2"), []),
    (
        ONE + "[[clusters.d.backends]]\n" + 'address = "10.0.0.1:53"\n',
        ["f.toml:8: clusters.d: no listener uses this cluster; it has no effect"],
    ),
    ('proxy_protocol = "first"\non_backend_down = "move"\nresend = false\n' + ONE, []),
    ('proxy_protocol = "off"\non_backend_down = "keep"\nresend = true\n' + ONE, []),
    (ONE + HEALTH + 'probe = "tcp"\nport = 54\ninterval = "1s"\ntimeout = "1s"\n', []),
    (ONE + HEALTH + "passive = false\nfail_open = false\n", []),
    (ONE + HEALTH + "refusals = 5\nrefusal_window = 3\n", []),
    (
        ONE + HEALTH + "passive = false\nfail_open = false\nrefusals = 5\n",
        [IGNORED.format(line=11, key="refusals", keys="refusals")],
    ),
    (
        ONE + HEALTH + "refusal_window = 3\npassive = false\n",
        [IGNORED.format(line=9, key="refusal_window", keys="refusal_window")],
    ),
    (
        ONE + HEALTH + "refusal_window = 3\nrefusals = 5\npassive = false\n",
        [IGNORED.format(line=10, key="refusals", keys="refusals, refusal_window")],
    ),
    *(
        (f'on_backend_down = "{what}"\n{more}' + ONE + HEALTH + "passive = false\n" + health, [])
        for what, more, health in (
            ("keep", "", ""),
            ("move", "", 'probe = "tcp"\n'),
            ("close", "responses = 1\n", "eject_below = 0.1\n"),
        )
    ),
    *(
        (
            f'on_backend_down = "{what}"\n{more}' + ONE + HEALTH + "passive = false\n",
            [
                "f.toml:6: clusters.c.on_backend_down: nothing takes a backend down: there is no "
                f"probe, and passive is false; {what} has no effect; it needs a probe, passive or "
                "eject_below"
            ],
        )
        for what, more in (("move", ""), ("close", ""), ("move", "responses = 1\n"))
    ),
    (ONE + HEALTH + 'probe = "off"\ninterval = 5\nsend = "x"\nrcodes = ["NOERROR"]\n', []),
    (
        ONE + HEALTH + 'port = 54\nsend = "x"\n',
        [
            "f.toml:10: clusters.c.health.send: nothing is probed, since there is no probe; "
            "without effect: send, port"
        ],
    ),
    (ONE + HEALTH + 'probe = "udp"\nsend = "x"\nexpect = "y"\n', []),
    (ONE + HEALTH + 'probe = "radius"\nsecret = "hunter2"\n', []),
    (ONE + HEALTH + DNS_KEYS + 'probe = "dns"\n', []),
    (
        ONE + HEALTH + 'probe = "tcp"\nsend = "x"\nexpect = "y"\nsecret = "hunter2"\n',
        [
            unused(10, "send", "tcp", "udp"),
            unused(11, "expect", "tcp", "udp"),
            unused(12, "secret", "tcp", "radius"),
        ],
    ),
    *(
        (
            ONE + HEALTH + DNS_KEYS + f'probe = "{probe}"\n',
            [
                unused(9, "query_name", probe, "dns"),
                unused(10, "query_type", probe, "dns"),
                unused(11, "rcodes", probe, "dns"),
            ],
        )
        for probe in ("tcp", "ntp", "stun", "sip")
    ),
    (ONE + HEALTH + 'probe = "ntp"\ninterval = "2s"\ntimeout = "2s"\n', []),
    (
        ONE + HEALTH + 'probe = "ntp"\ninterval = "1999ms"\n',
        [
            "f.toml:8: clusters.c.health.timeout: longer than the interval; a silent backend is "
            "found later, as each probe waits for the one before"
        ],
    ),
    ('profile = "dns"\n' + ONE + HEALTH + "eject_below = 0.5\n", []),
    ("responses = 1\n" + ONE + HEALTH + "eject_below = 0.5\n", []),
    ("responses = 0\n" + ONE + HEALTH + "eject_below = 0\n", []),
    *(
        (
            setting + ONE + HEALTH + "eject_below = 0.5\n",
            [
                f"f.toml:{line}: clusters.c.health.eject_below: responses is 0, so no answers are "
                "owed; it has no effect; it needs responses, or a profile that sets them"
            ],
        )
        for setting, line in (("", 9), ('profile = "dns"\nresponses = 0\n', 11))
    ),
    (
        ONE + '[engine]\ncontrol_socket = "/run/s"\nmetrics_address = "127.0.0.1:9465"\n',
        [f"f.toml:10: engine.metrics_address: {UNSEEN}"],
    ),
    (ONE + '[engine]\ncontrol_socket = "auto"\nmetrics_address = "127.0.0.1:9464"\n', []),
    (ONE + '[engine]\ncontrol_socket = "off"\nmetrics_address = "off"\n', []),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_advice(warnings: Complaints, text: str, expected: list[str]) -> None:
    assert warnings(HEAD + text) == expected
