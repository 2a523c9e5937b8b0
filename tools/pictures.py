"""Pictures of the console: `python -m tools.pictures` draws them all, `--check` compares them.

They show an imaginary proxy (tests/tui/scenes.py) whose clock stands still, so they are the same
each time. README shows some; a test fails when any is stale.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parent.parent
sys.path.insert(0, str(PROJECT))

from tests.tui import scenes  # noqa: E402
from tests.tui.driving import is_open  # noqa: E402
from tests.tui.fake_proxy import NOW  # noqa: E402
from tests.tui.waiting import settle, until  # noqa: E402
from udplb.client import Lost  # noqa: E402
from udplb.tui.console import Console  # noqa: E402
from udplb.tui.themes.shelf import open_shelf  # noqa: E402

FOLDER = PROJECT / "docs" / "pictures"
SIZES = {"120x36": (120, 36), "80x24": (80, 24)}
THEMES = ("dark", "light")


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture: what is done before it is taken."""

    name: str
    keys: tuple[str, ...] = ()
    dialog: bool = False
    """The keys open one, and it is waited for."""
    empty: bool = False
    """The proxy has seen no datagram yet."""
    lost: bool = False
    bad_file: bool = False


SCENES = (
    Scene("overview"),
    Scene("backends", ("2",)),
    Scene("flows", ("3",)),
    Scene("events", ("4",)),
    Scene("config", ("5",)),
    Scene("config-with-mistakes", ("5",), bad_file=True),
    Scene("help", ("question_mark",), dialog=True),
    Scene("tap", ("3", "t")),
    Scene("which", ("3", "w"), dialog=True),
    Scene("drain", ("2", "D"), dialog=True),
    Scene("weight", ("2", "W"), dialog=True),
    Scene("remove", ("2", "ctrl+d"), dialog=True),
    Scene("close", ("3", "K"), dialog=True),
    Scene("reload", ("R",), dialog=True),
    Scene("lost", ("3",), lost=True),
    Scene("empty", (), empty=True),
)


def names() -> list[str]:
    """All pictures, as their files are called."""
    return [
        f"{scene.name}-{size}-{theme}.svg" for scene in SCENES for size in SIZES for theme in THEMES
    ]


async def draw(scene: Scene, size: str, theme: str) -> str:
    """The picture as SVG."""
    client = scenes.proxy(empty=scene.empty, bad_file=scene.bad_file)
    app = Console(
        client,
        where="edge-gw",
        wall_clock=lambda: NOW,
        opened=open_shelf(theme, {}, no_color=False),
    )
    async with app.run_test(size=SIZES[size]) as pilot:
        await scenes.play(app, pilot, client)
        for key in scene.keys:
            await pilot.press(key)
            await settle(pilot, client)
        if scene.dialog:
            await until(pilot, lambda: is_open(app))
        if scene.lost:
            client.put(Lost(at=NOW - 12, why="/run/udplb.sock: connection refused", retry_in_s=15))
            await until(pilot, lambda: app.model.link.state == "lost")
        await settle(pilot, client)
        app.set_focus(app.focused)
        return clean(app.export_screenshot(title="udplb", simplify=True))


def clean(svg: str) -> str:
    """Without the fonts that a viewer would fetch from elsewhere, and without trailing blanks."""
    svg = re.sub(r"@font-face\s*{[^}]*}", "", svg)
    svg = svg.replace("Fira Code, monospace", "monospace")
    return "\n".join(line.rstrip() for line in svg.splitlines() if line.strip()) + "\n"


def drawn(name: str) -> str:
    """The picture of this name, drawn now."""
    stem, size, theme = name.removesuffix(".svg").rsplit("-", 2)
    scene = next(each for each in SCENES if each.name == stem)
    return asyncio.run(draw(scene, size, theme))


def main() -> int:
    """The exit code: 1 where --check finds a stale picture."""
    parser = argparse.ArgumentParser(prog="python -m tools.pictures", description=__doc__)
    parser.add_argument("--check", action="store_true", help="draw nothing, name stale ones")
    parser.add_argument("--only", default="", help="those whose name begins with this")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    stale = []
    for name in names():
        if not name.startswith(options.only):
            continue
        file, svg = FOLDER / name, drawn(name)
        if not file.exists() or file.read_text(encoding="utf-8") != svg:
            stale.append(name)
            if not options.check:
                file.write_text(svg, encoding="utf-8")
    known = set(names())
    for file in FOLDER.glob("*.svg"):
        if file.name not in known:
            stale.append(f"{file.name} (no such picture)")
            if not options.check:
                file.unlink()
    print("\n".join(stale) or "all pictures are fresh")
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
