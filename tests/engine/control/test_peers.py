"""Peers: the kernel says who they are."""

from __future__ import annotations

import os
import pwd
import socket

import pytest

from tests.harness import need_linux
from udplb.engine.control.peers import Doorman, Peer, peer_of


def test_the_kernel_names_the_peer() -> None:
    here, there = socket.socketpair(socket.AF_UNIX)
    with here, there:
        assert peer_of(here) == Peer(os.geteuid(), os.getpid())


def test_a_socket_that_has_no_peer_is_nobody() -> None:
    need_linux()
    closed = socket.socket(socket.AF_UNIX)
    closed.close()
    assert peer_of(closed) is None


@pytest.mark.parametrize(("uid", "admitted"), [(1_000, True), (0, True), (999, False), (-1, False)])
def test_the_own_user_and_root_are_admitted(uid: int, admitted: bool) -> None:
    assert Doorman(1_000).admits(Peer(uid, 5)) is admitted
    assert not Doorman(1_000).admits(None)


def test_root_admits_only_root() -> None:
    assert Doorman(0).admits(Peer(0, 1))
    assert not Doorman(0).admits(Peer(1, 1))


def test_who_asks_is_told_by_name() -> None:
    doorman, root = Doorman(4_242_424), pwd.getpwuid(0).pw_name
    assert doorman.describe(Peer(0, 42)) == f"uid 0 ({root}), process 42"
    assert doorman.describe(Peer(4_242_424, 42)) == "uid 4242424, process 42"
    assert doorman.describe(Peer(7, 0)) == "uid 7", "of another namespace"


def test_names_are_looked_up_once_and_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    doorman = Doorman()
    monkeypatch.delattr(pwd, "getpwuid")
    assert doorman.describe(Peer(os.geteuid(), 1)).startswith(f"uid {os.geteuid()}")
