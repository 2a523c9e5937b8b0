"""The file that `udplb init` writes, made from the table of keys: every key, its sentence, its
default, and a small example that works.

Prose begins with `# `, a key to uncomment with `#` alone, so that both people and tests can tell
them apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from udplb.config.keys import ROOT
from udplb.config.section import Key, Origin, Section
from udplb.config.wording import echo

EXAMPLE_NAME = "example"
"""What the starter's cluster is called."""

_WIDTH = 96

_INTRODUCTION = """\
A starter for udplb, a UDP load balancer: one listener, one cluster, two backends, all on this
host. Every key stands here with its default; remove the # in front of one to change it.
`udplb check` tells what is wrong with a file, with line and key."""

_SECOND_BACKEND = """
[[clusters.example.backends]]
address = "127.0.0.1:5302"
"""


def starter() -> str:
    """The text of a new udplb.toml; it loads without errors or warnings."""
    lines = [*_prose(_INTRODUCTION), *_inside(ROOT, "")]
    return "\n".join(lines) + "\n"


def _inside(section: Section, path: str) -> Iterator[str]:
    for child in section.sections:
        inner = f"{path}.{child.name}".lstrip(".")
        inner += f".{EXAMPLE_NAME}" if child.shape == "named" else ""
        yield ""
        yield from _prose(child.sentence)
        yield f"[[{inner}]]" if child.shape == "array" else f"[{inner}]"
        for key in child.keys:
            yield from _key(key)
        if child.name == "backends":
            yield from _SECOND_BACKEND.splitlines()
        yield from _inside(child, inner)


def _key(key: Key) -> Iterator[str]:
    """A required key is written, any other is left to be uncommented."""
    required = key.default is Origin.REQUIRED
    notes = [key.sentence, f"Allowed: {key.kind.allowed()}."]
    if isinstance(key.default, Origin) and not required:
        notes.append(f"Default: {key.default.value}.")
    if key.pending:
        notes.append("Not in this version.")
    yield ""
    yield from _prose(" ".join(notes))
    value = key.example if isinstance(key.default, Origin) else key.default
    yield f"{'' if required else '#'}{key.name} = {_spell(value)}"


def _spell(value: object) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_spell(element) for element in value)}]"
    return echo(value)


def _prose(text: str) -> list[str]:
    return [f"# {line}" for line in wrap(text, _WIDTH)]
