"""What the tests of the config room share: the printed lines of one text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from udplb.config.load import parse
from udplb.config.problems import ConfigError

Complaints = Callable[[str], list[str]]


@pytest.fixture
def errors() -> Complaints:
    """The errors of a text as they are printed; none for a valid one."""

    def printed(text: str) -> list[str]:
        try:
            parse(text, "f.toml")
        except ConfigError as error:
            return [str(problem) for problem in error.problems]
        return []

    return printed


@pytest.fixture
def warnings() -> Complaints:
    """The warnings of a valid text as they are printed."""
    return lambda text: [str(warning) for warning in parse(text, "f.toml").warnings]
