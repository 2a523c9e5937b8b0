"""Asking a proxy: the connection, and what each failure means for who typed the command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from udplb.cli.endings import BAD_USAGE, FAILED, NO_PROXY, Complaint
from udplb.engine.control.requests import Refused

if TYPE_CHECKING:
    from udplb.client import SocketClient

_BAD_USAGE_CODES = ("bad_request", "invalid")
"""Refusals of what was typed or of the file, rather than of the deed."""


@contextmanager
def proxy(socket: Path | None, *, read_only: bool = False) -> Iterator[SocketClient]:
    """A connection for one command. Whatever goes wrong becomes a Complaint."""
    from udplb.client import LostError, NoProxyError, VersionError, connect  # noqa: PLC0415

    try:
        client = connect(socket, read_only=read_only)
        try:
            yield client
        finally:
            client.close()
    except Refused as refused:
        code = BAD_USAGE if refused.code in _BAD_USAGE_CODES else FAILED
        raise Complaint(refused.message, code, refused.problems) from None
    except NoProxyError as error:
        raise Complaint(str(error), NO_PROXY) from None
    except (LostError, VersionError) as error:
        raise Complaint(str(error), FAILED) from None
