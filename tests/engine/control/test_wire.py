"""The wire: everything comes out as it went in, and whatever is no message is told so."""

from __future__ import annotations

import json
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from tests.engine.control.ground import happening, picture
from udplb.engine.control.requests import (
    CLOSES_MAX,
    REQUESTS,
    AddBackend,
    CloseFlows,
    Explain,
    Request,
    SetWeight,
    Status,
    Subscribe,
    answer_type,
)
from udplb.engine.control.wire import (
    EVENTS,
    LINE_BYTES_MAX,
    MESSAGE_CHARACTERS_MAX,
    Answered,
    BadLineError,
    Failed,
    Happened,
    Hello,
    Pictured,
    Press,
    UnreadableError,
    read,
    read_answer,
    read_event,
    read_request,
    read_snapshot,
    to_json,
    write,
)
from udplb.engine.events import Event, Missed
from udplb.engine.snapshot import BackendSnapshot, ClusterSnapshot, Snapshot


def values(kind: Any) -> st.SearchStrategy[Any]:
    """All values of an annotation, as far as msgspec would let them in."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return limited(arguments[0], arguments[1])
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of(*map(values, arguments))
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(*map(values, arguments), max_size=2)
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = get_type_hints(kind, include_extras=True)
        return st.builds(kind, **{name: values(hints[name]) for name in kind.__struct_fields__})
    if kind is float:
        return st.floats(allow_nan=False, allow_infinity=False)
    return st.from_type(kind)


def limited(kind: Any, meta: msgspec.Meta) -> st.SearchStrategy[Any]:
    if kind is int:
        return st.integers(meta.ge, meta.le)  # type: ignore[arg-type]
    if kind is float:
        return st.floats(meta.ge, meta.le)
    if kind is str:
        return st.text(min_size=meta.min_length or 0, max_size=meta.max_length)
    return values(kind)


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.__name__)
@given(st.data())
def test_every_request_arrives_as_it_was_sent(
    kind: type[Request[object]], data: st.DataObject
) -> None:
    request = data.draw(values(kind))
    line = write(request)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert read_request(line) == request


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.__name__)
@given(st.data())
def test_every_answer_arrives_as_it_was_given(
    kind: type[Request[object]], data: st.DataObject
) -> None:
    answer, number = data.draw(values(answer_type(kind))), data.draw(st.integers())
    line = Press().answer(number, answer)
    assert line.count(b"\n") == 1
    said = read(line)
    assert isinstance(said, Answered)
    assert said.id == number
    question = msgspec.convert({"request": kind.__struct_config__.tag, **needed(kind)}, kind)
    assert read_answer(question, said.answer) == answer


def needed(kind: type[msgspec.Struct]) -> dict[str, object]:
    fields = [field for field in msgspec.structs.fields(kind) if field.required]
    return {field.name: 1 if field.name == "weight" else "x" for field in fields}


@pytest.mark.parametrize("kind", EVENTS, ids=lambda kind: kind.__name__)
@given(st.data())
def test_every_event_arrives_as_it_happened(kind: type[Event], data: st.DataObject) -> None:
    event = data.draw(values(kind))
    said = read(Press().event(event))
    assert isinstance(said, Happened)
    assert read_event(said.event) == event


def test_what_was_missed_is_an_event() -> None:
    assert Missed in EVENTS
    assert Event not in EVENTS


@given(values(Snapshot))
def test_a_snapshot_arrives_as_it_was_made(snapshot: Snapshot) -> None:
    said = read(Press().snapshot(snapshot))
    assert isinstance(said, Pictured)
    assert read_snapshot(said.snapshot) == snapshot
    assert json.loads(bytes(said.snapshot)) == json.loads(to_json(snapshot)), (
        "in whatever way it is made"
    )


def test_hello_and_errors_are_said_in_full() -> None:
    assert json.loads(write(Hello(version="1", pid=5))) == {
        "type": "hello", "protocol": 1, "version": "1", "pid": 5, "engine": "",
        "read_only": False,
    }  # fmt: skip
    assert json.loads(write(Failed(id=3, code="busy", message="m"))) == {
        "type": "error", "id": 3, "code": "busy", "message": "m", "problems": [],
    }  # fmt: skip


# Bad lines


def complaint(line: bytes) -> BadLineError:
    with pytest.raises(BadLineError) as caught:
        read_request(line)
    message = caught.value.message
    assert message
    assert message.isprintable()
    assert len(message) < 2 * MESSAGE_CHARACTERS_MAX
    return caught.value


@pytest.mark.parametrize(
    ("line", "number", "words"),
    [
        (b"", None, "no request: Input data was truncated"),
        (b"hello", None, "malformed"),
        (b"[]", None, "Expected `object`"),
        (b"\xff\xfe", None, "malformed"),
        (b'{"request": "a\xff"}', 0, "not UTF-8"),
        (b"{}", 0, "which request?"),
        (b'{"id": 7}', 7, "which request?"),
        (b'{"id": 7, "request": 3}', 7, "which request?"),
        (b'{"id": "x", "request": "status"}', None, "status: Expected `int`"),
        (b'{"id": 1.5, "request": "status"}', None, "status: Expected `int`"),
        (b'{"id": 7, "request": "stats"}', 7, 'no request "stats"; did you mean status?'),
        (b'{"id": 7, "request": "qqqqqqqq"}', 7, "there are status, listeners, "),
        (b'{"id": 7, "request": "\\u001b[2J"}', 7, "\\x1b[2J"),
        (b'{"id": 7, "request": "status", "x": 1}', 7, "unknown field `x`"),
        (b'{"id": 7, "request": "drain", "clustr": "a"}', 7, "did you mean cluster?"),
        (b'{"id": 7, "request": "drain"}', 7, "drain: Object missing required field `cluster`"),
        (b'{"id": 7, "request": "set_weight", "cluster": "a", "backend": "b"}', 7, "`weight`"),
        (b'{"id": 7, "request": "subscribe", "interval_s": 0.01}', 7, "interval_s"),
        (b'{"id": 7, "request": "subscribe", "interval_s": 1e999}', 7, "out of range"),
        (b'{"id": NaN, "request": "status"}', None, "malformed"),
        (b'{"id": 7, "request": "explain", "listener": "\\ud800", "client": ""}', None, "utf-16"),
        (b"[" * 100_000, None, "Expected `object`"),
        (b'{"a":' * 100_000, None, "nested too deeply"),
        (b'{"x": ' + b"[" * 100_000, None, "nested too deeply"),
        (b'{"request": "status", "flows": ' + b"[" * 100_000, None, "unknown field `flows`"),
        (b'{"id": ' + b"9" * 5_000 + b', "request": "status"}', None, "out of range"),
        (b'{"id": 7, "request": "status", "' + b"x" * 100_000 + b'": 1}', 7, "unknown field `xxx"),
        (b'{"id": 7, "request": "' + b"x" * 100_000 + b'"}', 7, "there is no request"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_no_request_is_explained(line: bytes, number: int | None, words: str) -> None:
    bad = complaint(line)
    assert words in bad.message
    assert bad.number == number


def set_weight(**fields: object) -> bytes:
    return to_json({"request": "set_weight", "cluster": "c", "backend": "b", **fields})


@pytest.mark.parametrize(
    ("make", "limit"),
    [
        (lambda n: set_weight(weight=n), 1_000),
        (lambda n: set_weight(weight=1, backend="x" * n), 256),
        (lambda n: to_json({"request": "close_flows", "flows": [1] * n}), CLOSES_MAX),
        (lambda n: to_json({"request": "subscribe", "interval_s": n}), 60),
        (
            lambda n: to_json(
                {"request": "explain", "listener": "l", "client": "c", "without": ["b"] * n}
            ),
            64,
        ),
    ],
)
def test_fields_have_their_limits(make: Any, limit: int) -> None:
    read_request(make(limit - 1))
    read_request(make(limit))
    complaint(make(limit + 1))


def test_all_flows_that_a_request_may_name_fit_on_a_line() -> None:
    longest = CloseFlows(id=2**63, flows=(2**63,) * CLOSES_MAX)
    assert len(write(longest)) <= LINE_BYTES_MAX


@given(st.binary(max_size=200))
def test_random_bytes_harm_nobody(line: bytes) -> None:
    complaint(line)
    with pytest.raises(UnreadableError) as caught:
        read(line)
    assert str(caught.value).isprintable()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
NAMES = [str(kind.__struct_config__.tag) for kind in REQUESTS]
FIELDS = sorted({field for kind in REQUESTS for field in kind.__struct_fields__})


@given(
    JSON
    | st.builds(
        dict,
        st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=9), JSON, max_size=6),
        request=st.sampled_from(NAMES) | JSON,
    )
)
def test_random_json_harms_nobody(value: object) -> None:
    line = json.dumps(value).encode()
    try:
        request = read_request(line)
    except BadLineError:
        complaint(line)
    else:
        assert read_request(write(request)) == request


@pytest.mark.parametrize(
    "request_",
    [
        Explain(listener="l", client="1.2.3.4:5", without=("a", "b")),
        AddBackend(cluster="c", address="10.0.0.1:53", name="n", weight=3, generation=2),
        Subscribe(flow_events=True, interval_s=1.5),
        CloseFlows(flows=(1, 2, 3)),
        SetWeight(cluster="c", backend="b", weight=5),
    ],
    ids=lambda request: type(request).__name__,
)
def test_half_a_request_is_none(request_: Request[object]) -> None:
    line = write(request_)[:-1]
    for size in range(len(line)):
        complaint(line[:size])


# Text that is none


def test_a_name_that_is_no_text_is_escaped_and_not_an_error() -> None:
    broken = msgspec.structs.replace(picture(), version="a\udcffb")
    press = Press()
    for said in (read(press.snapshot(broken)), read(press.answer(1, broken))):
        raw = said.snapshot if isinstance(said, Pictured) else getattr(said, "answer")  # noqa: B009
        assert read_snapshot(raw) == msgspec.structs.replace(picture(), version="a\\udcffb")
    inside = cluster(reason="\ud800")
    said = read(press.snapshot(picture(clusters=(inside,))))
    assert isinstance(said, Pictured)
    assert read_snapshot(said.snapshot).clusters[0].backends[0].reason == "\\ud800"
    assert json.loads(to_json({"\udcff": ["\udcff", 1, None]})) == {"\\udcff": ["\\udcff", 1, None]}


def cluster(name: str = "c", reason: str = "") -> ClusterSnapshot:
    backend = next_backend(reason)
    return ClusterSnapshot(
        name=name, balance="hrw", probe="off", all_down=False, fail_open=True, backends=(backend,)
    )


def next_backend(reason: str) -> BackendSnapshot:
    backend: BackendSnapshot = find(values(BackendSnapshot), lambda _: True)
    return msgspec.structs.replace(backend, reason=reason)


def test_clusters_are_written_once_for_all_who_get_them(monkeypatch: pytest.MonkeyPatch) -> None:
    press, clusters = Press(), (cluster(),)
    first = press.snapshot(picture(at=1.0, clusters=clusters))
    written: list[object] = []
    from udplb.engine.control import wire

    real = wire.to_json

    def to_json(value: object) -> bytes:
        if isinstance(value, tuple):
            written.append(value)
        return real(value)

    monkeypatch.setattr(wire, "to_json", to_json)
    second = press.snapshot(picture(at=2.0, clusters=clusters))
    assert written == []
    assert first.replace(b":1.0", b":2.0") == second
    other = (cluster("other"),)
    said = read(press.snapshot(picture(clusters=other)))
    assert isinstance(said, Pictured)
    assert read_snapshot(said.snapshot).clusters == other
    assert written == [other]


# What the other end says


@pytest.mark.parametrize(
    "line",
    [b"{}", b'{"type":"bye"}', b'{"type":"hello"}', b"[" * 100_000, b'{"type":"answer","id":"x"}'],
    ids=lambda line: repr(line)[:30],
)
def test_what_no_proxy_says_is_unreadable(line: bytes) -> None:
    with pytest.raises(UnreadableError):
        read(line)


def test_an_answer_of_another_shape_is_unreadable() -> None:
    with pytest.raises(UnreadableError, match="missing required field"):
        read_answer(Status(), msgspec.Raw(b"{}"))
    with pytest.raises(UnreadableError, match="FlowHadABirthday"):
        read_event(msgspec.Raw(b'{"type":"FlowHadABirthday","at":1}'))


def test_fields_that_a_later_version_adds_are_passed_over() -> None:
    event = {"type": "Missed", "at": 1.0, "count": 3, "later": [1]}
    assert read_event(msgspec.Raw(json.dumps(event).encode())) == Missed(at=1.0, count=3)
    assert isinstance(read(b'{"type":"hello","protocol":9,"version":"x","pid":1,"z":2}'), Hello)
    assert happening(1) == read_event(msgspec.Raw(to_json(happening(1))))
