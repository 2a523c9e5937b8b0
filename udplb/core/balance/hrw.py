"""Weighted rendezvous hashing (highest random weight): the default.

Source: Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates", 1998; the
weighted score -w / ln(u) after Schindelhauer and Schomaker, 2005. Removing a backend moves the
clients of that one alone, adding one takes from each of the others in proportion.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import ClassVar

from udplb.core.backend import Backend
from udplb.core.balance.policy import Policy, Ranked
from udplb.core.hashing import mix64

_SPAN = 1 << 64


def highest_score(
    usable: Sequence[Backend], client_hash: int, without: Backend | None = None
) -> Backend | None:
    """The backend with the highest score for this client; None if there is none."""
    best = None
    best_score = -1.0
    for backend in usable:
        if backend is without:
            continue
        # u is in (0, 1), never at its ends, so that the logarithm is finite and negative.
        u = (mix64(client_hash ^ backend.number) + 0.5) / (_SPAN + 1)
        score = backend.weight / -log(u) if u < 1.0 else float("inf")
        if score > best_score:
            best, best_score = backend, score
    return best


def _score(backend: Backend, client_hash: int) -> float:
    """The sum of `highest_score`, which has no time for a call per backend."""
    u = (mix64(client_hash ^ backend.number) + 0.5) / (_SPAN + 1)
    return backend.weight / -log(u) if u < 1.0 else float("inf")


def ranked_by_score(usable: Sequence[Backend], client_hash: int) -> list[Ranked]:
    """All of them, the highest score first."""
    scored = [(_score(backend, client_hash), backend) for backend in usable]
    scored.sort(key=lambda each: each[0], reverse=True)  # which keeps the order of equals
    return [Ranked(backend, f"score {score:.4g}") for score, backend in scored]


class Rendezvous(Policy):
    """Each backend scores each client; the highest score wins."""

    hashes: ClassVar[bool] = True

    def select(self, client_hash: int, without: Backend | None = None) -> Backend | None:
        return highest_score(self.usable, client_hash, without)

    def ranked(self, client_hash: int, usable: Sequence[Backend]) -> list[Ranked]:
        return ranked_by_score(usable, client_hash)
