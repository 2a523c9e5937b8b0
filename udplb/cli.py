"""The commands. Exit codes: 0 done, 1 failed, 2 bad usage or configuration, 3 no proxy there.

Errors are one line on standard error, with what to do. What a command needs is imported when it
runs: `udplb --version` does not wait for the engine.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from udplb import __version__
from udplb.config.problems import ConfigError

DONE, FAILED, BAD_USAGE = 0, 1, 2
PLACES = (Path("udplb.toml"), Path("/etc/udplb/udplb.toml"))
"""Where the configuration is looked for when no FILE is given."""

ConfigFile = Annotated[Path | None, Parameter(name=["--config", "-c"])]

app = App(
    name="udplb",
    help="A UDP load balancer that forwards trains, with a live terminal console.",
    version=f"udplb {__version__}",
    result_action="return_value",
)


def main(arguments: list[str] | None = None) -> int:
    """Run the command that `arguments` (default: those of the process) name; its exit code."""
    _open_standard_streams()
    try:
        result = app(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return _complain(f"{_one_line(str(error))} See: udplb --help", BAD_USAGE)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe went away: not our error
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    except OSError as error:
        return _complain(str(error.strerror or error).lower(), FAILED)
    return result if isinstance(result, int) else DONE


@app.command
def run(config: ConfigFile = None, *, headless: bool = False) -> int:
    """Forward datagrams as FILE says, until a signal ends it.

    SIGTERM or Ctrl-C drains: no new flows, those that exist finish, at most `drain_timeout`. A
    second signal ends at once.

    Parameters
    ----------
    config
        The configuration; default ./udplb.toml, then /etc/udplb/udplb.toml.
    headless
        Without the console: for production. (This version has no console yet.)
    """
    from udplb.config.load import load  # noqa: PLC0415

    if not headless:
        return _complain("this version has no console yet: udplb run --headless", BAD_USAGE)
    path = _configuration_file(config)
    try:
        loaded = load(path)
    except ConfigError as error:
        return _refuse(error)
    from udplb.engine.binding import StartError  # noqa: PLC0415
    from udplb.run import run_headless  # noqa: PLC0415

    try:
        return run_headless(loaded, str(path))
    except StartError as error:
        return _complain(str(error), FAILED)


@app.command
def demo(*, headless: bool = False, duration: float | None = None) -> int:
    """Three echo backends, synthetic clients and a proxy between them, in one command.

    Prints a line a second. The exit code is 0 only if every client got every reply.

    Parameters
    ----------
    headless
        Without the console. (This version has no console yet: it always is.)
    duration
        Seconds to run; default: until Ctrl-C on a terminal, else 5.
    """
    from udplb.demo import run_demo  # noqa: PLC0415

    if duration is not None and not 0 < duration <= 86_400:
        return _complain("--duration is a number of seconds from 0 to 86400", BAD_USAGE)
    if duration is None and not sys.stdout.isatty():
        duration = 5.0
    return run_demo(duration)


@app.command
def check(config: ConfigFile = None) -> int:
    """Validate a configuration: exit code 0, or 2 with FILE:LINE: key: message.

    Parameters
    ----------
    config
        The configuration; default ./udplb.toml, then /etc/udplb/udplb.toml.
    """
    from udplb.config.load import load  # noqa: PLC0415

    path = _configuration_file(config)
    try:
        loaded = load(path)
    except ConfigError as error:
        return _refuse(error)
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    listeners, clusters = loaded.configuration.listeners, loaded.configuration.clusters
    backends = sum(len(cluster.backends) for cluster in clusters)
    print(
        f"{path}: good; listeners: {len(listeners)}, clusters: {len(clusters)},"
        f" backends: {backends}, warnings: {len(loaded.warnings)}"
    )
    return DONE


@app.command
def init(file: Annotated[Path, Parameter(allow_leading_hyphen=True)] = PLACES[0], /) -> int:
    """Write a commented starter configuration.

    Parameters
    ----------
    file
        Where to; an existing file is never overwritten. `-`: to standard output.
    """
    from udplb.config.starter import starter  # noqa: PLC0415

    if len(str(file)) > 1 and str(file).startswith("-"):
        return _complain(f'Unknown option: "{file}". See: udplb --help', BAD_USAGE)
    if str(file) == "-":
        print(starter(), end="")
        return DONE
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(starter())
    except FileExistsError:
        return _complain(f"{file} is there already; name another: udplb init FILE", FAILED)
    except OSError as error:
        return _complain(f"{file}: {str(error.strerror or error).lower()}", FAILED)
    print(f"wrote {file}; next: udplb check -c {file}, then udplb run --headless -c {file}")
    return DONE


def _open_standard_streams() -> None:
    """A descriptor from 0 to 2 that was closed would become a socket, which nothing expects."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def _configuration_file(given: Path | None) -> Path:
    """The file that was given, or the first of the usual places that has one."""
    if given is not None:
        return given
    return next((place for place in PLACES if os.path.exists(place)), PLACES[0])


def _complain(message: str, code: int) -> int:
    print(f"udplb: {message}", file=sys.stderr)
    return code


def _refuse(error: ConfigError) -> int:
    """Each problem is a line of its own, as editors and scripts read them: FILE:LINE: key: what."""
    print(error, file=sys.stderr)
    return BAD_USAGE


def _one_line(text: str) -> str:
    return " ".join(text.split())
