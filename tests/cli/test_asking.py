from __future__ import annotations

import pytest

from tests.cli.conftest import Run
from tests.show.pictures import HOSTILE
from udplb.client.interface import LostError, NoProxyError, VersionError
from udplb.engine.control.requests import Refused


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (Refused("not_found", "there is no cluster x"), 1, "there is no cluster x"),
        (Refused("refused", "it is not drained"), 1, "it is not drained"),
        (Refused("stale", "the configuration is another"), 1, "the configuration is another"),
        (Refused("changed", "the file was changed"), 1, "the file was changed"),
        (Refused("read_only", "only looks"), 1, "only looks"),
        (Refused("busy", "too many"), 1, "too many"),
        (Refused("ended", "it ends"), 1, "it ends"),
        (Refused("bad_request", "no such filter"), 2, "no such filter"),
        (NoProxyError("no proxy answers (/run/x: no such file)"), 3, "(/run/x: no such file)"),
        (LostError("the proxy closed the connection"), 1, "the proxy closed the connection"),
        (VersionError("1", "2"), 1, "use the same version"),
        (Refused("refused", f"about {HOSTILE}"), 1, "about \\x1b[31m[red]evil"),
    ],
)
@pytest.mark.parametrize("line", ["status", "reload", "drain dns/a --wait", "status --json"])
def test_each_failure_has_its_code(
    run: Run, line: str, error: Exception, code: int, said: str
) -> None:
    ran = run(line, error)
    assert (ran.code, ran.out) == (code, "")
    assert said in ran.err
    assert ran.err.startswith("udplb: ")
    assert len(ran.err.splitlines()) == 1
    assert ran.client.closed


def test_an_invalid_file_is_2_and_each_problem_a_line(run: Run) -> None:
    problems = ("udplb.toml:31: weight: found -5", f"udplb.toml:32: {HOSTILE}")
    ran = run("reload", Refused("invalid", "the file is not valid; nothing changed", problems))
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines() == [
        problems[0],
        "udplb.toml:32: \\x1b[31m[red]evil[/red]\\x1b[2J next",
        "udplb: the file is not valid; nothing changed",
    ]


def test_nobody_is_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import udplb.client
    from udplb.cli import main

    run("status", NoProxyError("x"))

    def connect(socket: object, *, read_only: bool) -> object:
        raise NoProxyError("no proxy answers")

    monkeypatch.setattr(udplb.client, "connect", connect)
    for line in ("status", "status --watch", "events", "drain dns/a --wait", "close 1"):
        assert main(line.split()) == 3
