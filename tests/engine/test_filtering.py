"""The grammar of filters: what may be written, what it means, and what messages say."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.engine.test_walk import flow
from udplb.config.kinds import NetworkText
from udplb.core.flow import State
from udplb.engine.filtering import FILTER_MAX, TERMS_MAX, parse_filter
from udplb.engine.terms import (
    Filter,
    InState,
    Measured,
    Not,
    OfBackend,
    OfClient,
    OfCluster,
    OfListener,
    Term,
    Text,
)


def client(network: str, port: int | None = None) -> OfClient:
    return OfClient(NetworkText().read(network), port)


WORDS: dict[str, Term] = {
    "edge-4": Text("edge-4"),
    '"edge 4"': Text("edge 4"),
    '"a=b"': Text("a=b"),
    'a"=b c"d': Text("a=b cd"),
    '"say \\"hi\\" \\\\ there"': Text('say "hi" \\ there'),
    "[2001:db8::1]:53": Text("[2001:db8::1]:53"),
    "!edge": Not(Text("edge")),
    "backend=edge-4": OfBackend("edge-4"),
    "backend=10.0.0.1:53": OfBackend("10.0.0.1:53"),
    "backend=a=b": OfBackend("a=b"),
    'backend="edge 4"': OfBackend("edge 4"),
    "Backend=Edge": OfBackend("Edge"),
    '!backend="!"': Not(OfBackend("!")),
    "cluster=web": OfCluster("web"),
    "listener=dns": OfListener("dns"),
    "client=203.0.113.0/24": client("203.0.113.0/24"),
    "client=203.0.113.7": client("203.0.113.7/32"),
    "client=203.0.113.7:5353": client("203.0.113.7/32", 5353),
    "client=203.0.113.0/24:53": client("203.0.113.0/24", 53),
    "client=::ffff:192.0.2.1": client("192.0.2.1/32"),
    "client=2001:db8::/32": client("2001:db8::/32"),
    "client=2001:db8::1": client("2001:db8::1/128"),
    "client=[2001:db8::1]": client("2001:db8::1/128"),
    "client=[2001:db8::1]:0": client("2001:db8::1/128", 0),
    "client=[2001:db8::/32]:65535": client("2001:db8::/32", 65_535),
    "state=leaving": InState(State.LEAVING),
    "state=current": InState(State.CURRENT),
    "idle<5s": Measured("idle", "<", 5.0),
    "idle>1m": Measured("idle", ">", 60.0),
    "idle>=1.5": Measured("idle", ">=", 1.5),
    "age>10m": Measured("age", ">", 600.0),
    "age<=500ms": Measured("age", "<=", 0.5),
    "rate>100": Measured("rate", ">", 100),
    "rate=0": Measured("rate", "=", 0),
    "rate>0.5": Measured("rate", ">", 0.5),
    "pps>100": Measured("rate", ">", 100),
    "bytes>1MiB": Measured("bytes", ">", 1 << 20),
    "bytes=0": Measured("bytes", "=", 0),
    "requests=0": Measured("requests", "=", 0),
    "replies>=3": Measured("replies", ">=", 3),
    "!replies<3": Not(Measured("replies", "<", 3)),
}


@pytest.mark.parametrize("word", WORDS)
def test_every_kind_of_term(word: str) -> None:
    assert parse_filter(word) == Filter((WORDS[word],))


def test_terms_are_separated_by_blanks() -> None:
    words = list(WORDS)[:TERMS_MAX]
    for gap in (" ", "  ", "\t", "\n"):
        text = gap + gap.join(words[:8]) + gap
        assert parse_filter(text) == Filter(tuple(WORDS[word] for word in words[:8]))
    assert parse_filter("") == parse_filter(" \t ") == Filter()


MISTAKES = {
    "backnd=x": ('"backnd=x"', 'did you mean "backend"?'),
    "size>3": ('"size>3"', "fields: client, backend,"),
    "=3": ('"=3"', 'no field ""'),
    "10.0.0.1=x": ('"10.0.0.1=x"', "stands in quotes"),
    "backend!=x": ('"backend!=x"', '"!backend=x"'),
    "backend<x": ('"backend<x"', "a name or an address behind ="),
    "backend=": ('"backend="', "nothing stands behind ="),
    'backend=""': ("backend=", "nothing stands behind ="),
    '""': ("filter term", "nothing to look for"),
    "!": ('"!"', "nothing stands behind it"),
    "!!x": ('"!!x"', "one !"),
    'x backend="a b': ('"backend=\\"a b"', "quote is not closed"),
    "state=leavin": ('"state=leavin"', 'current or leaving; did you mean "leaving"?'),
    "state=closed": ('"state=closed"', "allowed: current or leaving"),
    "client=edge": ('"client=edge"', "a network in CIDR form"),
    "client=10.0.0.1/8": ('"client=10.0.0.1/8"', 'the network is "10.0.0.0/8"'),
    "client=10.0.0.1:x": ('"client=10.0.0.1:x"', 'port "x"'),
    "client=10.0.0.1:65536": ("65536", "from 0 to 65535"),
    "client=10.0.0.1:": ('"client=10.0.0.1:"', 'port ""'),
    "client=10.0.0.1:٣": ("client=10.0.0.1", "from 0 to 65535"),
    "client=fe80::1%eth0": ("%eth0", "a network in CIDR form"),
    "client>10.0.0.1": ("client>", "an address or a network behind ="),
    "idle<5x": ('"idle<5x"', 'as "500ms", "30s"'),
    "idle=5s": ('"idle=5s"', "< > <= or >="),
    "idle<-1": ('"idle<-1"', "a duration from 0s"),
    "age>nan": ('"age>nan"', "a duration from 0s"),
    "age>inf": ('"age>inf"', "a duration from 0s"),
    "rate>fast": ('"rate>fast"', "datagrams a second"),
    "rate>1e9": ('"rate>1e9"', "datagrams a second"),
    "rate==3": ('"rate==3"', "datagrams a second"),
    "bytes>1MB/s": ('"bytes>1MB/s"', '"64KiB"'),
    "bytes>1.5": ('"bytes>1.5"', "a size from"),
    "requests=many": ('"requests=many"', "a whole number from 0"),
    "requests=1.5": ('"requests=1.5"', "a whole number from 0"),
    "x" * (FILTER_MAX + 1): (str(FILTER_MAX), str(FILTER_MAX + 1)),
    "x " * (TERMS_MAX + 1): (f"{TERMS_MAX} terms", str(TERMS_MAX + 1)),
    "\x1b[2J=1": ("\\x1b[2J=1", "there is no field"),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_told_in_one_line_that_names_it(text: str) -> None:
    with pytest.raises(ValueError, match="filter") as caught:
        parse_filter(text)
    message = str(caught.value)
    assert message.isprintable(), "one line, and no escapes for a terminal"
    for part in MISTAKES[text]:
        assert part in message


def test_the_limits_themselves_are_allowed() -> None:
    assert parse_filter("x" * FILTER_MAX) == Filter((Text("x" * FILTER_MAX),))
    assert len(parse_filter("x " * TERMS_MAX).terms) == TERMS_MAX


PIECES = st.sampled_from(
    ["!", '"', "\\", "=", "<", ">", " ", "\n", "\0", "backend", "client", "idle", "rate", "bytes",
     "state", "leaving", "5s", "10.0.0.1", "::1", "[", "]", ":", "/", "8", "%", "1" * 20, "é",
     "\ud800"]
)  # fmt: skip


@given(text=st.one_of(st.text(max_size=300), st.lists(PIECES, max_size=40).map("".join)))
@example(text='"\\')
@example(text='"' * 255)
@example(text='"\\\n"')
def test_whatever_is_typed_is_a_filter_or_a_value_error(text: str) -> None:
    message, parsed = "", Filter()
    try:
        parsed = parse_filter(text)
    except ValueError as error:
        message = str(error)
    assert message.isprintable()
    assert parsed.matches(flow(1), "dns", 5.0) in (True, False)
