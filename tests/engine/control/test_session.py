"""A session: once it is locked, no change passes, and nothing unlocks it."""

from __future__ import annotations

import msgspec
import pytest

from udplb.engine.control.requests import (
    REQUESTS,
    CloseFlows,
    Lock,
    Refused,
    Reload,
    Request,
    Save,
    Status,
)
from udplb.engine.control.session import Session


def test_everything_passes_until_the_lock() -> None:
    session = Session("somebody")
    for request in (Status(), Reload(), CloseFlows(flows=(1,)), Status()):
        session.admit(request)
    assert not session.locked


def test_after_the_lock_what_looks_passes() -> None:
    session = Session("somebody")
    session.admit(Lock())
    for request in (Reload(), Save(), Lock(), Reload()):
        if not request.changes:
            session.admit(request)
            continue
        with pytest.raises(Refused, match="only looks") as caught:
            session.admit(request)
        assert caught.value.code == "read_only"
    session.admit(Status())


@pytest.mark.parametrize("kind", REQUESTS)
def test_every_change_of_the_table_is_refused(kind: type[Request[object]]) -> None:
    words = {"cluster": "c", "backend": "b", "address": "a", "listener": "l", "client": "1.2.3.4"}
    fields = {each.name for each in msgspec.structs.fields(kind) if each.required}
    table: dict[str, object] = {name: words.get(name, 1) for name in fields}
    request = msgspec.convert({"request": kind.__struct_config__.tag, **table}, kind)
    session = Session("somebody")
    session.lock()
    if kind.changes:
        with pytest.raises(Refused):
            session.admit(request)
    else:
        session.admit(request)
