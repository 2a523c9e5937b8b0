from __future__ import annotations

from collections.abc import Callable

import pytest

Complaints = Callable[[str], list[str]]

CLUSTER = """\
[[clusters.c.backends]]
address = "10.0.0.1:53"
"""


def listeners(*addresses: str) -> str:
    """A listener on each address, five lines apart, whose address is on line 3, 8, 13, ..."""
    return "".join(
        f'[[listeners]]\nname = "l{index}"\naddress = "{address}"\ncluster = "c"\n\n'
        for index, address in enumerate(addresses)
    )


def cluster(*backends: str) -> str:
    """A listener and a cluster whose backends are on line 7, 10, 13, ..."""
    return listeners("192.0.2.1:53") + "".join(
        f"[[clusters.c.backends]]\n{backend}\n\n" for backend in backends
    )


def overlap(line: int, index: int, address: str, other: int) -> str:
    return (
        f"f.toml:{line}: listeners[{index}].address: {address} overlaps another listener; choose "
        f"another address or port (the other is on line {other})"
    )


LISTENERS: list[tuple[str, list[str]]] = [
    (listeners("192.0.2.1:53", "192.0.2.2:53", "192.0.2.1:54", "[2001:db8::1]:53"), []),
    (listeners("192.0.2.1:53", "192.0.2.1:53"), [overlap(8, 1, "192.0.2.1:53", 3)]),
    (listeners("0.0.0.0:53", "127.0.0.1:53"), [overlap(8, 1, "127.0.0.1:53", 3)]),
    (listeners("127.0.0.1:53", "0.0.0.0:53"), [overlap(8, 1, "0.0.0.0:53", 3)]),
    (listeners("0.0.0.0:53", "[::]:53"), [overlap(8, 1, "[::]:53", 3)]),
    (listeners("[::]:53", "0.0.0.0:53"), [overlap(8, 1, "0.0.0.0:53", 3)]),
    (listeners("[::]:53", "192.0.2.1:53"), [overlap(8, 1, "192.0.2.1:53", 3)]),
    (listeners("[::]:53", "[2001:db8::1]:53"), [overlap(8, 1, "[2001:db8::1]:53", 3)]),
    (listeners("[2001:db8::1]:53", "[::]:53"), [overlap(8, 1, "[::]:53", 3)]),
    (listeners("[2001:db8::1]:53", "0.0.0.0:53"), []),
    (listeners("0.0.0.0:53", "[2001:db8::1]:53"), []),
    (listeners("[::]:53", "0.0.0.0:54"), []),
    (
        listeners("192.0.2.1:53", "[::ffff:192.0.2.1]:53"),
        [overlap(8, 1, "192.0.2.1:53", 3)],
    ),
    (
        listeners("192.0.2.1:53", "192.0.2.2:53").replace("l1", "l0"),
        [
            'f.toml:7: listeners[1].name: found "l0" again; name each listener once (the other '
            "is on line 2)"
        ],
    ),
    (
        listeners("192.0.2.1:53").replace('"c"', '"cc"'),
        ['f.toml:4: listeners[0].cluster: there is no cluster "cc"; did you mean c?'],
    ),
    (
        listeners("192.0.2.1:53").replace('"c"', '"dns"'),
        ['f.toml:4: listeners[0].cluster: there is no cluster "dns"; write one, or name another'],
    ),
]


@pytest.mark.parametrize(("text", "expected"), LISTENERS)
def test_listeners(errors: Complaints, text: str, expected: list[str]) -> None:
    assert errors(text + CLUSTER) == expected


def again(place: str, address: str, other: int) -> str:
    return (
        f"f.toml:{place}.address: {address} again; a cluster has each address once "
        f"(the other is on line {other})"
    )


def called(place: str, word: str, other: int) -> str:
    return (
        f'f.toml:{place}: found "{word}" again; no two backends of a cluster may be called the '
        f"same (the other is on line {other})"
    )


A, B = 'address = "10.0.0.1:53"', 'address = "10.0.0.2:53"'

BACKENDS: list[tuple[str, list[str]]] = [
    (cluster(A, B), []),
    (cluster(A, A), [again("10: clusters.c.backends[1]", "10.0.0.1:53", 7)]),
    (
        cluster(A, B, 'address = "[::ffff:10.0.0.1]:53"'),
        [again("13: clusters.c.backends[2]", "10.0.0.1:53", 7)],
    ),
    (
        cluster('address = "[2001:db8::1]:53"', 'address = "[2001:DB8:0::1]:53"'),
        [again("10: clusters.c.backends[1]", "[2001:db8::1]:53", 7)],
    ),
    (cluster(A) + "[[clusters.d.backends]]\n" + A, []),
    (
        cluster(A + '\nname = "x"', B + '\nname = "x"'),
        [called("12: clusters.c.backends[1].name", "x", 8)],
    ),
    (
        cluster(A, B + '\nname = "10.0.0.1:53"'),
        [called("11: clusters.c.backends[1].name", "10.0.0.1:53", 7)],
    ),
    (
        cluster(B + '\nname = "10.0.0.1:53"', A),
        [called("11: clusters.c.backends[1].address", "10.0.0.1:53", 8)],
    ),
    (
        cluster(A + '\nname = "x"', B, 'address = "10.0.0.3:53"\nname = "x"'),
        [called("15: clusters.c.backends[2].name", "x", 8)],
    ),
    (cluster(A + '\nname = "10.0.0.1:53"'), []),
]


@pytest.mark.parametrize(("text", "expected"), BACKENDS)
def test_backends(errors: Complaints, text: str, expected: list[str]) -> None:
    assert errors(text) == expected


LOOPS: list[tuple[str, str, str | None]] = [
    ("192.0.2.1:53", "192.0.2.1:53", "192.0.2.1:53"),
    ("192.0.2.1:53", "192.0.2.1:54", None),
    ("192.0.2.1:53", "192.0.2.2:53", None),
    ("192.0.2.1:53", "[::ffff:192.0.2.1]:53", "192.0.2.1:53"),
    ("0.0.0.0:53", "127.0.0.1:53", "127.0.0.1:53"),
    ("0.0.0.0:53", "127.255.0.1:53", "127.255.0.1:53"),
    ("0.0.0.0:53", "127.0.0.1:54", None),
    ("0.0.0.0:53", "192.0.2.1:53", None),
    ("0.0.0.0:53", "[::1]:53", None),
    ("[::]:53", "[::1]:53", "[::1]:53"),
    ("[::]:53", "127.0.0.1:53", "127.0.0.1:53"),
    ("[::]:53", "[2001:db8::1]:53", None),
]


@pytest.mark.parametrize(("listener", "backend", "loop"), LOOPS)
def test_a_backend_is_none_of_our_listeners(
    errors: Complaints, listener: str, backend: str, loop: str | None
) -> None:
    text = listeners(listener) + f'[[clusters.c.backends]]\naddress = "{backend}"\n'
    expected = (
        f"f.toml:7: clusters.c.backends[0].address: {loop} is one of our own listeners; datagrams "
        "would go round for ever; name another backend (the other is on line 3)"
    )
    assert errors(text) == ([expected] if loop else [])


def test_what_could_not_be_read_is_left_out_of_comparisons(errors: Complaints) -> None:
    text = listeners("nonsense", "nonsense") + "[[clusters.c.backends]]\nname = 5\n" * 2
    assert [line.split(": ")[1] for line in errors(text)] == [
        "listeners[0].address",
        "listeners[1].address",
        "clusters.c.backends[0].address",
        "clusters.c.backends[0].name",
        "clusters.c.backends[1].address",
        "clusters.c.backends[1].name",
    ]


def health(text: str) -> str:
    """A valid file whose health table begins on line 9, its keys on line 10."""
    return cluster('address = "10.0.0.1:53"') + f"[clusters.c.health]\n{text}\n"


PROBES: list[tuple[str, list[str]]] = [
    ('probe = "udp"\nsend = "x"', []),
    ('probe = "udp"\nsend = "hex:00"', []),
    (
        'probe = "udp"',
        [
            "f.toml:9: clusters.c.health.send: missing; "
            'probe = "udp" needs a request that the service answers'
        ],
    ),
    *(
        (
            f'probe = "udp"\nsend = "{nothing}"',
            [
                "f.toml:11: clusters.c.health.send: found nothing in it; "
                'probe = "udp" needs a request that the service answers'
            ],
        )
        for nothing in ("", "hex:")
    ),
    ('probe = "radius"\nsecret = "hunter2"', []),
    (
        'probe = "radius"',
        [
            'f.toml:9: clusters.c.health.secret: missing; probe = "radius" needs what the servers '
            "share with this client"
        ],
    ),
    (
        'probe = "radius"\nsecret = 5',
        [
            "f.toml:11: clusters.c.health.secret: found a value that is not shown, since it may be "
            "secret; allowed: a secret text, at most 255 bytes"
        ],
    ),
    (
        'probe = "udp"\nsend = "hex:0g"',
        [
            'f.toml:11: clusters.c.health.send: found "hex:0g"; behind "hex:" stand pairs of the '
            'digits 0 to f; allowed: a text, or bytes as "hex:de ad be ef"; at most 4096 bytes'
        ],
    ),
    (
        f'probe = "udp"\nsend = "x"\nexpect = "{"y" * 4097}"',
        [
            f'f.toml:12: clusters.c.health.expect: found "{"y" * 59}…"; allowed: a text, or bytes '
            'as "hex:de ad be ef"; at most 4096 bytes'
        ],
    ),
    (
        'probe = "nttp"',
        [
            'f.toml:10: clusters.c.health.probe: found "nttp"; allowed: "off", "tcp", "udp", '
            '"dns", "ntp", "stun", "sip" or "radius"; did you mean "ntp"?'
        ],
    ),
]


@pytest.mark.parametrize(("text", "expected"), PROBES)
def test_every_probe_has_what_it_needs(errors: Complaints, text: str, expected: list[str]) -> None:
    assert errors(health(text)) == expected
