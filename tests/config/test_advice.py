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


UNSEEN = "not in this version; it has no effect"

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
    (
        'proxy_protocol = "first"\non_backend_down = "move"\nresend = false\n' + ONE,
        [
            f"f.toml:6: clusters.c.proxy_protocol: {UNSEEN}",
            f"f.toml:7: clusters.c.on_backend_down: {UNSEEN}",
        ],
    ),
    ('proxy_protocol = "off"\non_backend_down = "keep"\nresend = true\n' + ONE, []),
    (
        ONE + '[clusters.c.health]\nprobe = "tcp"\nport = 54\ninterval = "1s"\npassive = false\n',
        [
            f"f.toml:9: clusters.c.health.probe: {UNSEEN}",
            f"f.toml:10: clusters.c.health.port: {UNSEEN}",
            f"f.toml:11: clusters.c.health.interval: {UNSEEN}",
        ],
    ),
    (ONE + '[clusters.c.health]\nprobe = "off"\ninterval = 5\nrcodes = ["NOERROR"]\n', []),
    (
        ONE + '[engine]\ncontrol_socket = "/run/s"\nmetrics_address = "127.0.0.1:9465"\n',
        [
            f"f.toml:9: engine.control_socket: {UNSEEN}",
            f"f.toml:10: engine.metrics_address: {UNSEEN}",
        ],
    ),
    (ONE + '[engine]\ncontrol_socket = "auto"\nmetrics_address = "127.0.0.1:9464"\n', []),
    (ONE + '[engine]\ncontrol_socket = "off"\nmetrics_address = "off"\n', []),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_advice(warnings: Complaints, text: str, expected: list[str]) -> None:
    assert warnings(HEAD + text) == expected
