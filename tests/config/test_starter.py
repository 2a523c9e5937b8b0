from __future__ import annotations

import re

import pytest

from udplb.config.keys import sections
from udplb.config.load import parse
from udplb.config.starter import starter

TEXT = starter()
COMMENTED = re.compile(r"^#(?=[a-z_]+ = )", re.MULTILINE)
SETTINGS = [match.start() for match in COMMENTED.finditer(TEXT)]


def test_it_loads_without_errors_or_warnings() -> None:
    loaded = parse(TEXT, "udplb.toml")
    assert loaded.warnings == ()
    (listener,) = loaded.configuration.listeners
    (cluster,) = loaded.configuration.clusters
    assert listener.cluster == cluster.name
    assert len(cluster.backends) == 2
    assert all(backend.address.ip.is_loopback for backend in cluster.backends)


def test_every_key_stands_under_its_header_with_its_sentence() -> None:
    unwrapped = TEXT.replace("\n# ", " ")
    for header, section in sections():
        spelled = header.replace("NAME", "example")
        _, _, below = unwrapped.partition(f"\n{spelled}\n")
        body = re.split(r"\n\[", below)[0]
        for key in section.keys:
            assert re.search(rf"^#?{key.name} = ", body, re.MULTILINE), (header, key.name)
            assert key.sentence in body


@pytest.mark.parametrize("start", SETTINGS)
def test_any_key_may_be_uncommented(start: int) -> None:
    parse(TEXT[:start] + TEXT[start + 1 :], "udplb.toml")


def test_all_keys_may_be_uncommented() -> None:
    assert len(SETTINGS) > 40
    parse(COMMENTED.sub("", TEXT), "udplb.toml")


def test_lines_are_short() -> None:
    assert max(map(len, TEXT.splitlines())) <= 100
