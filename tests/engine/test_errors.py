"""The errno table: everything is in it, and it says what KERNEL.md says."""

from __future__ import annotations

import errno

import pytest

from udplb.core.reasons import SHED_REASONS, DropReason
from udplb.engine.errors import (
    DROP_REASONS,
    FAILURES,
    OPEN_REASONS,
    RUN_REFUSED,
    Failure,
    failure_of,
)


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("ECONNREFUSED", Failure.REFUSED),
        ("ENETUNREACH", Failure.UNREACHABLE),
        ("EHOSTUNREACH", Failure.UNREACHABLE),
        ("ENETDOWN", Failure.UNREACHABLE),
        ("EADDRNOTAVAIL", Failure.UNREACHABLE),
        ("EMSGSIZE", Failure.TOO_LARGE),
        ("EMFILE", Failure.NO_DESCRIPTOR),
        ("ENFILE", Failure.NO_DESCRIPTOR),
        ("ENOMEM", Failure.NO_DESCRIPTOR),
        ("EADDRINUSE", Failure.NO_PORT),
        ("EAGAIN", Failure.NO_PORT),
        ("ENOBUFS", Failure.BUSY),
        ("EPERM", Failure.REJECTED),
        ("EACCES", Failure.REJECTED),
        ("EINVAL", Failure.REJECTED),
    ],
)
def test_an_errno_means(name: str, failure: Failure) -> None:
    assert failure_of(OSError(getattr(errno, name), "")) is failure


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_errno_means_something(number: int) -> None:
    assert DROP_REASONS[failure_of(OSError(number, ""))] in DropReason


def test_an_error_without_a_number_is_a_rejection() -> None:
    assert failure_of(OSError("odd")) is Failure.REJECTED


def test_every_failure_has_a_drop_reason() -> None:
    assert set(DROP_REASONS) == set(Failure)


def test_what_cannot_be_opened_is_shed() -> None:
    assert set(OPEN_REASONS.values()) <= SHED_REASONS
    assert DropReason.UNREACHABLE in SHED_REASONS


def test_runs_are_refused_by_size_and_offload_errnos() -> None:
    assert {errno.EINVAL, errno.EMSGSIZE, errno.EIO} == RUN_REFUSED
    assert errno.ECONNREFUSED in FAILURES
