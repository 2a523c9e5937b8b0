"""The desired state: a file, an overlay, and one change at a time."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Events, Proxy, Servers, Udp, configuration, proxy, until
from tests.programs import free_port
from udplb.config.load import load
from udplb.engine import desired, reading
from udplb.engine.binding import StartError
from udplb.engine.control.requests import (
    AddBackend,
    Backends,
    Change,
    Diff,
    Done,
    Drain,
    Refused,
    Reload,
    RemoveBackend,
    Revert,
    Save,
    SetWeight,
    Status,
    Undrain,
)
from udplb.engine.events import (
    ConfigurationChanged,
    ConfigurationRejected,
    ConfigurationSaved,
)
from udplb.engine.forwarding import Forwarding
from udplb.engine.reading import ReadingError
from udplb.engine.snapshot import ConfigurationSnapshot

FILE = """\
[engine]
drain_timeout = "200ms"
metrics_address = "off"
control_socket = "off"
{engine}

[[listeners]]
name = "dns"
address = "127.0.0.1:{port}"
cluster = "c"

[clusters.c]  # the only one
balance = "round_robin"
front_timeout = "{front}"

[[clusters.c.backends]]
name = "a"
address = "127.0.0.1:{a}"
weight = {weight}  # as heavy as it is

[[clusters.c.backends]]
name = "b"
address = "127.0.0.1:{b}"
{more}
"""


class Written:
    """A file, and what to write into it."""

    def __init__(self, path: Path, servers: Servers) -> None:
        self.path = path
        self.values: dict[str, Any] = {
            "engine": "", "port": free_port(), "weight": 1, "more": "", "front": "60s",
            "a": servers.names[0][1], "b": servers.names[1][1],
        }  # fmt: skip

    def write(self, **values: Any) -> None:
        """Save it as editors do, by a rename."""
        self.values |= values
        self.put(FILE.format(**self.values))

    def put(self, text: str) -> None:
        draft = self.path.with_suffix(".draft")
        draft.write_text(text)
        os.replace(draft, self.path)


@contextmanager
def running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch | None = None
) -> Iterator[tuple[Proxy, Written]]:
    """A proxy of a file. With a monkeypatch nobody watches the file: it is read when asked for."""
    with Servers(2) as servers:
        written = Written(tmp_path / "udplb.toml", servers)
        written.write()
        if monkeypatch is not None:
            monkeypatch.setattr("udplb.engine.watching.FileWatch.start", lambda watch: None)
        loaded = load(written.path)
        with proxy(loaded.configuration, file=written.path, digest=loaded.digest) as p:
            yield p, written


@pytest.fixture
def unwatched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Proxy, Written]]:
    with running(tmp_path, monkeypatch) as pair:
        yield pair


Unwatched = tuple[Proxy, Written]


def told(p: Proxy) -> ConfigurationSnapshot:
    return p.ask(Status()).configuration


def refused(p: Proxy, request: Change[Any]) -> Refused:
    with pytest.raises(Refused) as caught:
        p.ask(request)
    return caught.value


def weights(p: Proxy) -> list[int]:
    return [each.weight for each in p.ask(Status()).clusters[0].backends]


# The file


def test_a_saved_file_is_followed(tmp_path: Path) -> None:
    with running(tmp_path) as (p, written):
        events = Events(p.engine)
        assert told(p).generation == 1
        written.write(weight=7)
        changed = events.first(ConfigurationChanged)
        assert changed.sentences == ("cluster c: backend a weight 1 → 7",)
        assert (changed.generation, changed.why) == (2, "the file was saved")
        assert weights(p) == [7, 1]


def test_a_reload_says_what_it_changed(unwatched: Unwatched) -> None:
    p, written = unwatched
    written.write(weight=3)
    done = p.ask(Reload())
    assert done == Done(sentences=("cluster c: backend a weight 1 → 3",), generation=2)
    state = told(p)
    assert (state.reloads, state.rejected, state.file) == (1, 0, str(written.path))
    assert state.last_reload is not None
    assert state.last_reload.sentences == done.sentences
    assert state.last_reload.took_s > 0
    again = p.ask(Reload())
    assert (again.sentences, again.generation) == (done.sentences, 2), "what was done before"
    assert again.since_s is not None
    assert told(p).reloads == 1, "the contents in force are ignored"
    assert told(p) == state
    written.put(written.path.read_text() + "# a word\n")
    assert p.ask(Reload()) == Done(sentences=(), generation=2)
    assert told(p).reloads == 2


BAD = [
    ("[[", "not valid TOML"),
    ("x = 1", "x"),
    ("[clusters.c.health]\nprobe = 'udp'", "needs a request"),
]


@pytest.mark.parametrize(("more", "why"), BAD)
def test_a_bad_file_changes_nothing_and_every_mistake_is_told(
    unwatched: Unwatched, caplog: pytest.LogCaptureFixture, more: str, why: str
) -> None:
    p, written = unwatched
    events = Events(p.engine)
    written.write(weight=9, more=more)
    refusal = refused(p, Reload())
    assert refusal.code == "invalid"
    assert refusal.problems
    assert all(each.startswith(f"{written.path}:") for each in refusal.problems)
    assert any(why in each for each in refusal.problems)
    state = told(p)
    assert (state.generation, state.reloads, state.rejected) == (1, 0, 1)
    assert state.last_reload is not None
    assert state.last_reload.problems == refusal.problems
    assert weights(p) == [1, 1]
    assert events.first(ConfigurationRejected).problems == refusal.problems
    assert all(any(each in line for line in caplog.messages) for each in refusal.problems)
    # Back to what is in force: that is no change, but the problems are gone.
    written.write(weight=1, more="")
    assert p.ask(Reload()) == Done(sentences=(), generation=1)
    state = told(p)
    assert state.last_reload is not None
    assert state.last_reload.problems == ()


def test_a_file_that_is_gone(unwatched: Unwatched) -> None:
    p, written = unwatched
    written.path.unlink()
    refusal = refused(p, Reload())
    assert refusal.code == "invalid"
    assert "no such file" in refusal.problems[0]
    assert Udp().ask(b"x", p.at) == b"x"
    assert p.ask(Diff()).problems == refusal.problems
    written.write(weight=2)
    assert p.ask(Reload()).generation == 2


def test_a_reader_that_fails_changes_nothing(
    unwatched: Unwatched, monkeypatch: pytest.MonkeyPatch
) -> None:
    p, written = unwatched

    async def failing(path: Path) -> None:
        raise ReadingError("the process fell over")

    with monkeypatch.context() as patch:
        patch.setattr(desired, "load_apart", failing)
        written.write(weight=4)
        refusal = refused(p, Reload())
        assert refusal.code == "refused"
        assert "the process fell over" in refusal.message
        assert p.ask(Diff()).problems == ("the process fell over",)
    assert told(p).rejected == 1
    assert p.ask(Reload()).generation == 2


def test_a_listener_that_cannot_be_bound_changes_nothing(unwatched: Unwatched) -> None:
    p, written = unwatched
    stranger = Udp()
    before = written.values["port"]
    p.ask(SetWeight(cluster="c", backend="b", weight=5))
    written.write(weight=9, port=stranger.name[1])
    refusal = refused(p, Reload())
    assert refusal.code == "refused"
    assert "another program has it" in refusal.message
    assert told(p).generation == 2
    assert weights(p) == [1, 5]
    assert Udp().ask(b"x", ("127.0.0.1", before)) == b"x"
    stranger.close()
    assert p.ask(Reload()).generation == 3
    assert weights(p) == [9, 5]
    assert Udp().ask(b"x", ("127.0.0.1", stranger_port(written))) == b"x"


def stranger_port(written: Written) -> int:
    return int(written.values["port"])


def test_reloads_that_nobody_waits_for_are_in_the_log(
    unwatched: Unwatched, caplog: pytest.LogCaptureFixture
) -> None:
    p, written = unwatched
    written.write(weight='"heavy"')
    with caplog.at_level(logging.INFO, logger=desired.__name__):
        p.engine.reload("SIGHUP")
        p.until(lambda p: p.snapshot.configuration.rejected == 1)
        written.write(weight=2)
        p.engine.reload("SIGHUP")
        p.until(lambda p: p.snapshot.configuration.generation == 2)
    assert any(f"{written.path}:" in each and "weight" in each for each in caplog.messages)
    assert any("is not applied; generation 1 stays" in each for each in caplog.messages)
    assert any("(SIGHUP): 1 change; generation 2" in each for each in caplog.messages)


def test_without_a_file_there_is_none_to_read_or_write() -> None:
    with Servers() as servers, proxy(configuration(*servers.names)) as p:
        for request in (Reload(), Save()):
            refusal = refused(p, request)
            assert refusal.code == "refused"
            assert "no file" in refusal.message
        difference = p.ask(Diff())
        assert (difference.file, difference.on_reload, difference.problems) == ("", (), ())
        p.engine.reload("SIGHUP")
        p.ask(SetWeight(cluster="c", backend="b0", weight=2))
        assert p.ask(Diff()).drift


# What waits for a restart


def test_keys_that_need_a_restart_wait_until_the_file_takes_them_back(
    unwatched: Unwatched,
) -> None:
    p, written = unwatched
    written.write(engine=['gso = "off"\nhash_seed = "other"', "_timeout_ = 1"][0])
    done = p.ask(Reload())
    assert done.sentences == ()
    assert len(done.warnings) == 2
    assert all("needs a restart" in each for each in done.warnings)
    assert "other" not in str(done.warnings)
    waiting = told(p).awaiting_restart
    assert [each.split(":")[1].split()[0] for each in waiting] == ["hash_seed", "gso"]
    assert p.do(lambda: p.engine.forwarding.configuration.engine.gso) == "auto"
    assert all(each.needs_restart for each in p.ask(Diff()).on_reload)
    p.ask(SetWeight(cluster="c", backend="a", weight=2))
    assert told(p).awaiting_restart == waiting
    written.write(engine="")
    assert p.ask(Reload()).warnings == ()
    assert told(p).awaiting_restart == ()


def test_keys_of_the_engine_that_do_not(unwatched: Unwatched) -> None:
    p, written = unwatched
    level = logging.getLogger().level
    try:
        written.write(engine='upstream_port_rest = "2s"\nlog_level = "error"')
        assert len(p.ask(Reload()).sentences) == 2
        assert logging.getLogger().level == logging.ERROR
        assert p.do(lambda: p.engine.forwarding._ports._rest_s) == 2.0
    finally:
        logging.getLogger().setLevel(level)


# The overlay


def test_what_operators_do_is_drift(unwatched: Unwatched) -> None:
    p, _ = unwatched
    events = Events(p.engine)
    assert p.ask(SetWeight(cluster="c", backend="a", weight=4)).generation == 2
    assert p.ask(SetWeight(cluster="c", backend="a", weight=4)) == Done(sentences=(), generation=2)
    changed = events.first(ConfigurationChanged)
    assert (changed.why, changed.generation) == ("an operator", 2)
    assert len(events.of(ConfigurationChanged)) == 1
    p.ask(Drain(cluster="c", backend="b"))
    drift = told(p).drift
    assert drift == (
        "cluster c: backend a: weight 4 here, 1 in the file",
        "cluster c: backend b: drained here, active in the file",
    )
    assert [each.sentence for each in p.ask(Diff()).drift] == list(drift)
    p.ask(Undrain(cluster="c", backend="b"))
    assert told(p).drift == drift[:1]
    p.ask(Revert())
    assert told(p).drift == ()
    assert weights(p) == [1, 1]


def test_the_overlay_stays_over_a_reload_but_where_the_file_decides(unwatched: Unwatched) -> None:
    p, written = unwatched
    p.ask(SetWeight(cluster="c", backend="a", weight=4))
    p.ask(SetWeight(cluster="c", backend="b", weight=6))
    written.write(front="30s")
    assert p.ask(Reload()).sentences == ("cluster c: front_timeout 1m → 30s",)
    assert weights(p) == [4, 6]
    written.write(weight=2)
    difference = p.ask(Diff())
    assert [each.sentence for each in difference.on_reload] == ["cluster c: backend a weight 4 → 2"]
    (dropped,) = difference.dropped
    done = p.ask(Reload())
    assert done.warnings == (dropped,)
    assert "the file now says 2" in dropped
    assert weights(p) == [2, 6]
    assert told(p).drift == ("cluster c: backend b: weight 6 here, 1 in the file",)


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (Drain(cluster="c", backend="x"), "not_found"),
        (Drain(cluster="x", backend="a"), "not_found"),
        (SetWeight(cluster="c", backend="x", weight=1), "not_found"),
        (AddBackend(cluster="c", address="nowhere"), "refused"),
        (AddBackend(cluster="c", address="127.0.0.1:9", name="a"), "refused"),
        (Revert(backend="a"), "refused"),
        (SetWeight(cluster="c", backend="a", weight=2, generation=0), "stale"),
        (Drain(cluster="c", backend="a", generation=2), "stale"),
        (Save(generation=2), "stale"),
        (Reload(generation=2), "stale"),
    ],
)
def test_what_is_refused_changes_nothing(
    unwatched: Unwatched, request_: Change[Any], code: str
) -> None:
    p, _ = unwatched
    refusal = refused(p, request_)
    assert refusal.code == code
    assert "\n" not in refusal.message
    state = told(p)
    assert (state.generation, state.drift) == (1, ())
    assert not any(each.draining for each in p.ask(Status()).clusters[0].backends)


def test_the_generation_in_mind_is_the_one_in_force(unwatched: Unwatched) -> None:
    p, _ = unwatched
    for generation in (1, 2, 3):
        change = SetWeight(cluster="c", backend="a", weight=generation + 1, generation=generation)
        assert p.ask(change).generation == generation + 1


def test_a_change_that_cannot_be_prepared_leaves_the_overlay_alone(
    unwatched: Unwatched, monkeypatch: pytest.MonkeyPatch
) -> None:
    p, _ = unwatched

    async def full(*_: object) -> None:
        raise StartError("no descriptors left")

    with monkeypatch.context() as patch:
        patch.setattr(Forwarding, "change", full)
        refusal = refused(p, SetWeight(cluster="c", backend="a", weight=2))
    assert (refusal.code, refusal.message) == ("refused", "no descriptors left")
    assert told(p).drift == ()
    assert p.ask(SetWeight(cluster="c", backend="b", weight=2)).sentences == (
        "cluster c: backend b weight 1 → 2",
    )


@pytest.mark.parametrize("alone", [False, True])
def test_an_added_backend_that_a_new_listener_takes_for_itself_is_dropped(
    unwatched: Unwatched, alone: bool
) -> None:
    """Only this machine knows that the address is its own; `alone`: the others were removed."""
    p, written = unwatched
    p.do(lambda: p.engine.forwarding.own.hosts_changed({IPv4Address("203.0.113.5")}))
    port = free_port()
    p.ask(AddBackend(cluster="c", address=f"203.0.113.5:{port}"))
    p.ask(SetWeight(cluster="c", backend="a", weight=5))
    for name in ("a", "b") if alone else ():
        p.ask(RemoveBackend(cluster="c", backend=name))
    more = f'[[listeners]]\nname = "w"\naddress = "0.0.0.0:{port}"\ncluster = "c"'
    written.write(more=more)
    assert any("our own listeners" in each for each in p.ask(Diff()).dropped)
    done = p.ask(Reload())
    assert any("our own listeners" in each for each in done.warnings)
    assert [each.name for each in p.ask(Backends())] == ["a", "b"]
    assert weights(p) == ([1, 1] if alone else [5, 1])
    assert Udp().ask(b"x", ("127.0.0.1", port)) == b"x"


# Save


def test_save_writes_the_overlay_down(tmp_path: Path) -> None:
    with running(tmp_path) as (p, written):
        events = Events(p.engine)
        assert p.ask(Save()) == Done(sentences=(), generation=1)
        p.ask(SetWeight(cluster="c", backend="a", weight=4))
        p.ask(AddBackend(cluster="c", address="127.0.0.1:9", name="nine", weight=0))
        p.ask(RemoveBackend(cluster="c", backend="b"))
        done = p.ask(Save())
        assert done.sentences[0] == f"{written.path}: saved"
        assert "cluster c: backend a weight 1 → 4" in done.sentences
        assert len(done.sentences) == 4, "and one added, one removed"
        saved = events.first(ConfigurationSaved)
        assert (saved.file, saved.sentences) == (str(written.path), done.sentences)
        text = written.path.read_text()
        assert "weight = 4  # as heavy as it is" in text
        assert "[clusters.c]  # the only one" in text
        state = told(p)
        assert (state.drift, state.generation, state.reloads) == ((), 4, 0)
        difference = p.ask(Diff())
        assert (difference.on_reload, difference.drift) == ((), ())
        # That we wrote it ourselves is no news, but what comes after is.
        written.put(text.replace("weight = 4", "weight = 5"))
        p.until(lambda p: p.snapshot.configuration.generation == 5)
        assert told(p).reloads == 1
        fresh = load(written.path).configuration
        assert p.do(lambda: p.engine.forwarding.configuration) == fresh


def test_save_refuses_a_file_that_was_changed_meanwhile(unwatched: Unwatched) -> None:
    p, written = unwatched
    p.ask(SetWeight(cluster="c", backend="a", weight=4))
    written.write(front="1s")
    text = written.path.read_text()
    refusal = refused(p, Save())
    assert refusal.code == "changed"
    assert "was changed since it was read" in refusal.message
    assert written.path.read_text() == text
    assert len(told(p).drift) == 1
    p.ask(Reload())
    p.ask(Save())
    assert told(p).drift == ()


# One at a time


def test_fifty_at_once_are_done_one_by_one(tmp_path: Path) -> None:
    with running(tmp_path) as (p, written):
        events = Events(p.engine)
        heavy = iter(range(100, 200))
        writing = threading.Lock()

        def act(number: int) -> str:
            try:
                if number % 5 == 0:
                    with writing:
                        written.write(weight=next(heavy))
                    p.ask(Reload())
                elif number % 5 == 1:
                    p.ask(AddBackend(cluster="c", address=f"127.0.0.1:{10_000 + number}"))
                elif number % 5 == 2:
                    p.ask(Drain(cluster="c", backend="b"))
                elif number % 5 == 3:
                    p.ask(Undrain(cluster="c", backend="b"))
                else:
                    p.ask(Save())
            except Refused as refusal:
                return refusal.code
            return "done"

        with ThreadPoolExecutor(50) as many:
            outcomes = list(many.map(act, range(50)))
        assert set(outcomes) <= {"done", "changed"}
        p.ask(Reload())
        state = told(p)
        generations = [each.generation for each in events.of(ConfigurationChanged)]
        assert generations == sorted(generations)
        assert generations[-1] == state.generation
        # Whoever comes late to it all sees the same.
        addresses = {each.address for each in p.ask(Status()).clusters[0].backends}
        assert {f"127.0.0.1:{10_000 + number}" for number in range(1, 50, 5)} < addresses
        until(lambda: "done" in [act(4)], "a save that nobody disturbs")
        fresh = load(written.path).configuration
        assert p.do(lambda: p.engine.forwarding.configuration) == fresh
        assert Udp().ask(b"x", p.at) == b"x"


def test_nothing_is_changed_while_the_process_drains(unwatched: Unwatched) -> None:
    p, written = unwatched
    client = Udp()
    client.ask(b"x", p.at)
    p.do(p.engine._drain)
    written.write(weight=5)
    for request in (
        Reload(), Save(), Revert(), Drain(cluster="c", backend="a"),
        SetWeight(cluster="c", backend="a", weight=3),
    ):  # fmt: skip
        assert refused(p, request).code == "ended"
    p.engine.reload("SIGHUP")
    assert weights(p) == [1, 1]
    p.stop()
    assert p.engine.failure is None
    with pytest.raises(Refused, match="ended"):
        p.ask(Save())


@pytest.mark.parametrize("how", ["stop", "drain", "drain twice"])
def test_the_end_in_the_middle_of_a_reload(
    unwatched: Unwatched, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """Whoever waits for an answer has one, and nothing is applied any more."""
    p, written = unwatched
    begun = threading.Event()

    async def noted(path: Path) -> Any:
        begun.set()
        return await reading.load_apart(path)

    monkeypatch.setattr(desired, "load_apart", noted)
    written.write(weight=5)
    with ThreadPoolExecutor(2) as many:
        waiting = [many.submit(p.ask, Reload()), many.submit(p.ask, Save())]
        assert begun.wait(10)
        ways: dict[str, Callable[[], None]] = {"stop": p.engine.stop, "drain": p.engine.drain}
        for _ in range(2 if how == "drain twice" else 1):
            ways[how.split(" ", maxsplit=1)[0]]()
        assert p.engine.wait(10)
        assert all(isinstance(each.exception(10), BaseException) for each in waiting)
    assert p.engine.failure is None
    assert [each.weight for each in p.snapshot.clusters[0].backends] == [1, 1]


def test_who_asks_in_the_moment_of_the_end_has_an_answer(tmp_path: Path) -> None:
    """From many threads, until the proxy is gone: an answer, or the word that it has ended."""
    outcomes: list[object] = []
    with Servers() as servers, proxy(configuration(*servers.names)) as p:

        def ask() -> None:
            while True:
                try:
                    p.ask(Status())
                except Refused as refusal:
                    outcomes.append(refusal.code)
                    return
                except BaseException as error:  # noqa: BLE001 - looked at below
                    outcomes.append(type(error).__name__)
                    return

        askers = [threading.Thread(target=ask, daemon=True) for _ in range(8)]
        for each in askers:
            each.start()
        p.until(lambda p: p.snapshot.totals)
        p.engine.stop()
        for each in askers:
            each.join(10)
            assert not each.is_alive(), "somebody waits for ever"
    assert set(outcomes) <= {"ended", "CancelledError"}
