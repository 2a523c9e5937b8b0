"""The house: who may import whom, that tests mirror the source, and that rooms stay small.

The rules are those of DESIGN.md (The house) and STYLE.md (habits 2, 6, 7 and 13).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PROJECT = Path(__file__).parent.parent
SOURCE = PROJECT / "udplb"
TESTS = PROJECT / "tests"

FILE_LINES_MAX = 450
FUNCTION_LINES_MAX = 60

ARROWS: dict[str, tuple[str, ...]] = {
    "udplb.core": ("udplb.core",),
    "udplb.config": ("udplb.config", "udplb.core"),
    "udplb.engine": ("udplb.engine", "udplb.config", "udplb.core"),
    "udplb.show": ("udplb.show", "udplb.engine", "udplb.config", "udplb.core"),
    "udplb.client": ("udplb.client", "udplb.engine", "udplb.config", "udplb.core"),
    "udplb.tui": (
        "udplb.tui",
        "udplb.show",
        "udplb.client",
        "udplb.engine.control.requests",
        "udplb.engine.control.spelling",
        "udplb.engine.events",
        "udplb.engine.filtering",
        "udplb.engine.ranking",
        "udplb.engine.snapshot",
        "udplb.config",
        "udplb.core.settings",
    ),
}
"""What the modules of a room may import of the project. Whoever is not named stands above."""

PLAIN_TYPES = ("udplb.core.address", "udplb.core.reasons", "udplb.core.settings")
"""Of core, config knows these alone."""

CORE_MAY_IMPORT = frozenset(
    {
        "__future__", "abc", "array", "bisect", "collections", "collections.abc", "dataclasses",
        "enum", "functools", "hashlib", "heapq", "ipaddress", "itertools", "math", "typing",
    }
)  # fmt: skip
CORE_MAY_NOT_IMPORT = frozenset(
    {
        "_random", "_socket", "_thread", "asyncio", "concurrent", "ctypes", "datetime", "errno",
        "fcntl", "gc", "importlib", "io", "locale", "logging", "multiprocessing", "os", "pathlib",
        "platform", "queue", "random", "secrets", "select", "selectors", "shutil", "signal",
        "socket", "ssl", "structlog", "subprocess", "sys", "tempfile", "threading", "time",
        "uuid", "uvloop", "warnings", "weakref",
    }
)  # fmt: skip
"""What would let clocks, chance, sockets, threads, files or loggers in; the list above is shorter
still, and this one says why a module may not join it."""
CORE_MAY_NOT_CALL = frozenset(
    {"__import__", "breakpoint", "eval", "exec", "hash", "id", "input", "open", "print"}
)
"""Built-in, and yet I/O, or different from one process to the next."""

MIRRORED = ("core", "config", "engine", "client", "cli", "show", "demo", "tui")
"""Rooms whose tests mirror them."""
UNMIRRORED: dict[str, str] = {
    "udplb.cli.running": "tests/test_cli.py runs these commands as processes",
    "udplb.demo.console": "tests/e2e/test_console.py runs it on a terminal",
    "udplb.tui.driver": "tests/e2e/test_console.py takes its terminal away",
    "udplb.tui.terminal": "tests/e2e/test_console.py runs it on a terminal",
    "udplb.tui.dialogs.consequences": "tests/tui/test_acting.py reads them in its questions",
    "udplb.tui.dialogs.on_backends": "tests/tui/test_acting.py asks all its questions",
    "udplb.tui.dialogs.on_configuration": "tests/tui/test_acting.py asks all its questions",
    "udplb.tui.dialogs.on_flows": "tests/tui/test_acting.py asks all its questions",
    "udplb.tui.panes.pane": "what all panes have in common: the tests of each",
    "udplb.tui.dialogs.plan": "tests/tui/test_acting.py carries plans out",
}
"""Modules without a test file of their own, and why."""

BROAD_EXCEPTS_ALLOWED = {
    "udplb/engine/engine.py": "the engine thread's supervisor: it ends the engine, and says so",
    "udplb/tui/terminal.py": "the console's: it ends the console alone, and says so",
}
"""Files that may catch everything, and why (STYLE.md: the one task supervisor)."""


def modules(room: Path) -> list[Path]:
    """The Python files of a room, in order."""
    return sorted(room.rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def name_of(path: Path) -> str:
    """The dotted name of a module."""
    parts = path.relative_to(PROJECT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Every module that a file imports, wherever it does, with the line."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            module = node.module or ""
            for alias in node.names:
                inner = SOURCE.parent / Path(*module.split("."), f"{alias.name}.py")
                package = inner.with_suffix("")
                is_module = inner.exists() or package.is_dir()
                yield node.lineno, f"{module}.{alias.name}" if is_module else module


def inside(module: str, rooms: tuple[str, ...]) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in rooms)


@pytest.mark.parametrize("room", ARROWS)
def test_arrows_point_one_way(room: str) -> None:
    wrong = [
        f"{path}:{line} imports {module}"
        for path in modules(PROJECT.joinpath(*room.split(".")))
        for line, module in imports(path)
        if inside(module, ("udplb",))
        and not inside(module, ARROWS[room])
        # The version stands in the package itself, and is everybody's.
        and module != "udplb"
    ]
    assert not wrong


def test_config_knows_only_the_plain_types_of_core() -> None:
    wrong = [
        f"{path}:{line} imports {module}"
        for path in modules(SOURCE / "config")
        for line, module in imports(path)
        if inside(module, ("udplb.core",)) and module not in PLAIN_TYPES
    ]
    assert not wrong


def test_core_imports_nothing_that_acts() -> None:
    wrong = [
        f"{path}:{line} imports {module}"
        for path in modules(SOURCE / "core")
        for line, module in imports(path)
        if not inside(module, ("udplb.core",)) and module not in CORE_MAY_IMPORT
    ]
    assert not wrong
    assert not CORE_MAY_IMPORT & CORE_MAY_NOT_IMPORT


def test_core_names_nothing_that_acts() -> None:
    """Not by a detour either: no built-in that acts, no forbidden module as an attribute."""
    wrong = []
    for path in modules(SOURCE / "core"):
        for node in ast.walk(tree(path)):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(called, ast.Name) and called.id in CORE_MAY_NOT_CALL:
                wrong.append(f"{path}:{called.lineno} calls {called.id}")
            if isinstance(node, ast.Name) and node.id in CORE_MAY_NOT_IMPORT:
                wrong.append(f"{path}:{node.lineno} names {node.id}")
    assert not wrong


def test_core_has_no_circles() -> None:
    rooms = {name_of(path): path for path in modules(SOURCE / "core")}
    needs = {
        name: {module for _, module in imports(path) if module in rooms and module != name}
        for name, path in rooms.items()
    }
    while needs:
        free = [name for name, needed in needs.items() if not needed & needs.keys()]
        assert free, f"these import each other: {sorted(needs)}"
        for name in free:
            del needs[name]


# Sets

_SETS = ("set", "frozenset")
_IN_ORDER = ("list", "tuple", "iter", "next", "enumerate", "map", "filter", "zip", "deque", "dict")


def is_set(node: ast.AST, names: frozenset[str]) -> bool:
    """Whether an expression is a set as far as a look at it tells."""
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in _SETS
        case ast.BinOp(left=left, right=right, op=ast.BitOr() | ast.BitAnd() | ast.Sub()):
            return is_set(left, names) or is_set(right, names)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in names
    return False


def names_of_sets(module: ast.Module) -> frozenset[str]:
    """Names and attributes that hold sets, by what is assigned to them or by annotation."""
    found: list[str] = []
    for node in ast.walk(module):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign) and is_set(node.value, frozenset()):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign):
            noted = ast.unparse(node.annotation).startswith(_SETS)
            assigned = node.value is not None and is_set(node.value, frozenset())
            targets = [node.target] if noted or assigned else []
        elif isinstance(node, ast.arg) and node.annotation is not None:
            noted = ast.unparse(node.annotation).startswith((*_SETS, "AbstractSet"))
            found += [node.arg] if noted else []
        for target in targets:
            if isinstance(target, ast.Name):
                found.append(target.id)
            elif isinstance(target, ast.Attribute):
                found.append(target.attr)
    return frozenset(found)


def iterations_over_sets(module: ast.Module) -> list[int]:
    """The lines in which a set decides on an order."""
    names = names_of_sets(module)
    lines = []
    for node in ast.walk(module):
        iterated: list[ast.expr] = []
        match node:
            case ast.For(iter=each) | ast.comprehension(iter=each) | ast.Starred(value=each):
                iterated = [each]
            case ast.Call(func=ast.Name(id=name), args=args) if name in _IN_ORDER:
                iterated = args
            case ast.Call(func=ast.Attribute(attr="pop" | "popitem", value=each), args=[]):
                iterated = [each]
        lines += [each.lineno for each in iterated if is_set(each, names)]
    return lines


def test_core_iterates_over_no_set() -> None:
    wrong = [
        f"{path}:{line}"
        for path in modules(SOURCE / "core")
        for line in iterations_over_sets(tree(path))
    ]
    assert not wrong


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("for x in {1, 2}: pass", True),
        ("for x in set(y): pass", True),
        ("z = [x for x in frozenset(y)]", True),
        ("s: set[int] = f()\nfor x in s: pass", True),
        ("self.s = frozenset(y)\nlist(self.s)", True),
        ("s = {x for x in y}\nfirst, *rest = [*s]", True),
        ("s = set()\ns.pop()", True),
        ("def f(s: set[int]) -> None:\n    for x in s: pass", True),
        ("for x in a | {1}: pass", True),
        ("for x in {1: 2}: pass", False),
        ("s = frozenset(y)\nx in s\nsorted(s)\nlen(s)", False),
        ("for x in [1, 2]: pass", False),
    ],
)
def test_the_search_for_sets_finds_them(text: str, found: bool) -> None:
    assert bool(iterations_over_sets(ast.parse(text))) is found


# Mirrors


@pytest.mark.parametrize("room", MIRRORED)
def test_tests_mirror_the_source(room: str) -> None:
    wanted = {
        path.relative_to(SOURCE).with_name(f"test_{path.name}")
        for path in modules(SOURCE / room)
        if path.name != "__init__.py" and name_of(path) not in UNMIRRORED
    }
    there = {path.relative_to(TESTS) for path in modules(TESTS / room)}
    assert not wanted - there


@pytest.mark.parametrize("room", MIRRORED)
def test_every_test_file_is_of_a_module_that_exists(room: str) -> None:
    """`test_manager_ends.py` is of `manager.py`, too."""
    for path in modules(TESTS / room):
        if path.name.startswith("test_"):
            source = SOURCE / path.relative_to(TESTS)
            stem = path.stem.removeprefix("test_")
            while stem and not source.with_name(f"{stem}.py").exists():
                stem = stem.rpartition("_")[0]
            assert stem, f"{path} tests no module"


def test_rooms_are_mirrored_or_said_not_to_be() -> None:
    rooms = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    assert rooms == {*MIRRORED}
    for name in UNMIRRORED:
        assert PROJECT.joinpath(*name.split(".")).with_suffix(".py").exists()


# Small rooms, narrow nets


def test_files_are_small() -> None:
    sizes = {path: len(path.read_text().splitlines()) for path in modules(SOURCE)}
    assert not {str(path): lines for path, lines in sizes.items() if lines > FILE_LINES_MAX}


def test_functions_are_small() -> None:
    wrong = []
    for path in modules(SOURCE):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX:
                    wrong.append(f"{path}:{node.lineno} {node.name}: {lines} lines")
    assert not wrong


def catches_everything(node: ast.AST) -> bool:
    """Whether this is `except:`, `except Exception`, or their like."""
    match node:
        case ast.ExceptHandler(type=None):
            return True
        case ast.ExceptHandler(type=ast.expr() as caught):
            return broad(caught)
        case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress"), args=args):
            return any(map(broad, args))
    return False


def broad(caught: ast.expr) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(map(broad, caught.elts))
    return isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException")


def test_nobody_catches_everything() -> None:
    wrong = [
        f"{path}:{getattr(node, 'lineno', 0)}"
        for path in modules(SOURCE)
        if str(path.relative_to(PROJECT)) not in BROAD_EXCEPTS_ALLOWED
        for node in ast.walk(tree(path))
        if catches_everything(node)
    ]
    assert not wrong
    for name in BROAD_EXCEPTS_ALLOWED:
        assert any(map(catches_everything, ast.walk(tree(PROJECT / name)))), f"{name} needs none"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("try: f()\nexcept: pass", True),
        ("try: f()\nexcept Exception: pass", True),
        ("try: f()\nexcept (OSError, BaseException) as e: pass", True),
        ("with suppress(Exception): f()", True),
        ("with contextlib.suppress(Exception): f()", True),
        ("try: f()\nexcept OSError: pass", False),
        ("with suppress(ValueError): f()", False),
    ],
)
def test_the_search_for_nets_finds_them(text: str, found: bool) -> None:
    assert any(map(catches_everything, ast.walk(ast.parse(text)))) is found
