"""The way in: the application with all its commands, and `main`, which no error leaves.

Commands are named here and imported when they are called for.
"""

from __future__ import annotations

import os
import re
import sys

from cyclopts import App, CycloptsError, Group
from cyclopts.exceptions import UnknownCommandError, UnusedCliTokensError

from udplb import __version__
from udplb.cli.endings import BAD_USAGE, DONE, FAILED, Complaint, complain, escape_lines
from udplb.cli.helping import PipeHelp
from udplb.config.wording import quote

app = App(
    name="udplb",
    help="A UDP load balancer that forwards trains, with a live terminal console.",
    version=f"udplb {__version__}",
    result_action="return_value",
)

_ROOMS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Run", "running", ("run", "console", "demo", "check", "init")),
    (
        "Look at a running proxy",
        "looking",
        ("status", "listeners", "backends", "flows", "events", "explain", "diff"),
    ),
    ("Look at a running proxy", "tapping", ("tap",)),
    (
        "Change backends and flows",
        "acting",
        ("drain", "undrain", "weight", "add", "remove", "close"),
    ),
    ("Change the configuration", "acting", ("reload", "save", "revert")),
    ("Shell", "completing", ("completion",)),
)
"""Groups of commands, and the modules of this room that hold them."""

_groups: dict[str, Group] = {}
for _at, (_title, _module, _commands) in enumerate(_ROOMS):
    _group = _groups.setdefault(_title, Group(_title, sort_key=_at))
    for _place, _command in enumerate(_commands):
        _path = f"udplb.cli.{_module}:{_command}"
        app.command(_path, name=_command, group=_group, sort_key=(_at, _place))


def main(arguments: list[str] | None = None) -> int:
    """Run the command that `arguments` (default: those of the process) name; its exit code."""
    _open_standard_streams()
    words = sys.argv[1:] if arguments is None else arguments
    app.help_formatter = "default" if sys.stdout.isatty() else PipeHelp()
    if not words or words[0] in app.help_flags:
        # A command that was not imported has no sentence to show.
        for command in (each for _, _, commands in _ROOMS for each in commands):
            app[command]
    try:
        result = app(words, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except CycloptsError as error:
        return complain(_usage(error), BAD_USAGE)
    except Complaint as complaint:
        return _refuse(complaint)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe went away: not our error
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    except OSError as error:
        _write_no_more()
        return complain(str(error.strerror or error).lower(), FAILED)
    return result if isinstance(result, int) else DONE


def _write_no_more() -> None:
    """What standard output did not take would fail once more at the end, and change the code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _open_standard_streams() -> None:
    """A descriptor from 0 to 2 that was closed would become a socket, which nothing expects.

    Python has no stream for one that was closed at its start; what goes there goes nowhere.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - as long as we live


def _refuse(complaint: Complaint) -> int:
    if complaint.problems:
        sys.stdout.flush()
        for problem in complaint.problems:
            print(*escape_lines(problem), file=sys.stderr)
        if not complaint.message:
            return complaint.code
    return complain(complaint.message, complaint.code)


def _usage(error: CycloptsError) -> str:
    """One line: what is wrong, what was meant, where to read on."""
    text = " ".join(escape_lines(str(error)))
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        text = f"there is no place for {quote(' '.join(error.unused_tokens))}."
    if isinstance(error, UnknownCommandError):
        text = re.sub(r" Available commands: .*", "", text)
    chain = " ".join(("udplb", *(error.command_chain or ())))
    return f"{text} See: {chain} --help"
