"""The interface: what every client has, and the words of its failures."""

from __future__ import annotations

import pytest

from tests.engine.control.ground import happening, picture
from udplb.client.interface import Client, Item, Lost, Resumed, Stream, VersionError, newest
from udplb.engine.control.requests import (
    REQUESTS,
    Lock,
    Refused,
    Reload,
    Request,
    Status,
    Subscribe,
)


class Nobody(Client):
    """A client that only checks."""

    closed = False

    def ask(self, request: Request[object], timeout_s: float = 0.0) -> object:  # type: ignore[override]
        self.check(request)
        return None

    def subscribe(self, request: Subscribe) -> Stream:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True


def test_who_only_looks_changes_nothing() -> None:
    with Nobody() as client:
        client.check(Reload())
        client.read_only = True
        client.check(Status())
        with pytest.raises(Refused) as caught:
            client.check(Reload())
        assert caught.value.code == "read_only"
    assert client.closed


def test_every_request_knows_whether_it_changes() -> None:
    looks = {
        "Status", "Listeners", "Clusters", "Backends", "Flows", "Explain", "Diff", "File",
        "Subscribe", "Lock",
    }  # fmt: skip
    assert {kind.__name__ for kind in REQUESTS if not kind.changes} == looks


def test_a_lock_is_for_good_and_for_the_whole_client() -> None:
    with Nobody() as client:
        client.lock()
        assert client.read_only
        with pytest.raises(Refused, match=r"client\.lock\(\)"):
            client.check(Lock())


def test_a_subscription_needs_a_stream() -> None:
    with pytest.raises(Refused, match="needs a stream"):
        Nobody().check(Subscribe())


def test_both_versions_are_named() -> None:
    error = VersionError("1.0 (protocol 1)", "2.0 (protocol 2)")
    assert "this is udplb 1.0 (protocol 1) and the proxy is udplb 2.0 (protocol 2)" in str(error)


def test_of_several_snapshots_the_last_is_given() -> None:
    lost, resumed = Lost(at=1.0, why="w", retry_in_s=1.0), Resumed(missed_s=1.0)
    items: list[Item] = [picture(1), happening(1), picture(2), lost, resumed, happening(2)]
    assert newest(items) == items[1:]
    assert newest([happening(1)]) == [happening(1)]
    assert newest([]) == []
