"""NO_COLOR (no-color.org): no colour at all, unless somebody asks for a theme.

Textual looks for the variable by itself, when the application is made, and reacts to an empty one,
too. If the application is made with `ansi_color=True` it then drops every colour, those of its own
stylesheets included; else it makes greys of them. The theme `mono` says everything by attributes.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

VARIABLE = "NO_COLOR"


def wants_no_color(environ: Mapping[str, str]) -> bool:
    """Whether the variable is there and not empty."""
    return bool(environ.get(VARIABLE))


def take_no_color(environ: MutableMapping[str, str], choice: str | None = None) -> bool:
    """Whether there are to be no colours, where `choice` is the theme that was asked for, if any.

    If not, the variable is taken away, so that Textual does not see it: call this before the
    application is made, and make it with `ansi_color=ansi_color(environ)`.
    """
    if choice is None and wants_no_color(environ):
        return True
    environ.pop(VARIABLE, None)
    return False


def ansi_color(environ: Mapping[str, str]) -> bool | None:
    """For textual.app.App: no colour passes, or (None) the theme at work decides on the kind."""
    return True if wants_no_color(environ) else None
