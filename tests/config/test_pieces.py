"""A configuration in pieces: small ones, which make the same whole again."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network

import pytest
from hypothesis import given

from tests.config.configurations import configurations, large
from udplb.config.overlay import Overlay
from udplb.config.pieces import (
    PIECE_ITEMS_MAX,
    Assembly,
    Backends,
    Digest,
    Failed,
    Load,
    Networks,
    Piece,
    framed,
    frames,
    pieces_of,
    pieces_of_overlay,
    pieces_of_problems,
)
from udplb.config.problems import Problem
from udplb.core.settings import Configuration


def sent(pieces: list[Piece]) -> Assembly:
    """What arrives of the pieces."""
    assembly = Assembly()
    for piece in frames(b"".join(map(framed, pieces))):
        assembly.add(piece)
    return assembly


@given(configurations())
def test_a_configuration_arrives_as_it_was(configuration: Configuration) -> None:
    assert sent(list(pieces_of(configuration))).configuration() == configuration


@pytest.mark.parametrize("count", [1, PIECE_ITEMS_MAX - 1, PIECE_ITEMS_MAX, PIECE_ITEMS_MAX + 1])
def test_no_piece_is_large(count: int) -> None:
    networks = tuple(ip_network(f"10.{n}.0.0/16") for n in range(count))
    configuration = large(count)
    first, *rest = configuration.listeners
    listeners = (replace(first, allow=networks), *rest, replace(first, name="x", deny=networks))
    configuration = replace(configuration, listeners=listeners)
    pieces = list(pieces_of(configuration))
    assert sent(pieces).configuration() == configuration
    for piece in pieces:
        if isinstance(piece, Backends):
            assert 0 < len(piece.backends) <= PIECE_ITEMS_MAX
        if isinstance(piece, Networks):
            assert 0 < len(piece.networks) <= PIECE_ITEMS_MAX
    assert sum(isinstance(piece, Networks) for piece in pieces) == 2 * -(-count // PIECE_ITEMS_MAX)


def test_problems_overlay_digest_and_failure_arrive() -> None:
    problems = tuple(Problem("f", line, "k", "found", "allowed") for line in range(200))
    file = large(100)
    overlay = Overlay()
    for backend in file.clusters[0].backends:
        overlay = overlay.with_weight(file, "many", backend.name, 77)
    assembly = sent([*pieces_of_problems(problems), *pieces_of_overlay(overlay), Digest(b"x")])
    assert tuple(assembly.problems) == problems
    assert assembly.overlay == overlay
    assert assembly.digest == b"x"
    assert assembly.error is None
    error = sent([Failed(ValueError("no"))]).error
    assert isinstance(error, ValueError)
    assert str(error) == "no"


def test_frames_that_are_cut_off_are_noticed() -> None:
    whole = framed(Load("a")) + framed(Load("b"))
    assert list(frames(whole)) == [Load("a"), Load("b")]
    for length in (1, 3, 5, len(whole) - 1):
        with pytest.raises(ValueError, match="cut off"):
            list(frames(whole[:length]))
