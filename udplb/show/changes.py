"""What a change did."""

from __future__ import annotations

from udplb.engine.control.requests import Done
from udplb.show.page import Page, line


def page_of_done(done: Done, nothing: str) -> Page:
    """A line for each thing that is different now; `nothing` is said if there is none."""
    if done.since_s is not None and done.sentences:
        nothing_now = line(f"{nothing}; it was taken up {done.since_s:.1f} s ago:")
        return (nothing_now, *(line(sentence) for sentence in done.sentences))
    return tuple(line(sentence) for sentence in done.sentences) or (line(nothing),)
