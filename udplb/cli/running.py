"""Commands that run a proxy or prepare its file: run, demo, check, init."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from udplb.cli.endings import BAD_USAGE, DONE, FAILED, complain
from udplb.config.problems import ConfigError

PLACES = (Path("udplb.toml"), Path("/etc/udplb/udplb.toml"))
"""Where the configuration is looked for when no FILE is given."""

ConfigFile = Annotated[Path | None, Parameter(name=["--config", "-c"])]


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
        return complain("this version has no console yet: udplb run --headless", BAD_USAGE)
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
        return complain(str(error), FAILED)


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
        return complain("--duration is a number of seconds from 0 to 86400", BAD_USAGE)
    if duration is None and not sys.stdout.isatty():
        duration = 5.0
    return run_demo(duration)


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


def init(file: Annotated[Path, Parameter(allow_leading_hyphen=True)] = PLACES[0], /) -> int:
    """Write a commented starter configuration.

    Parameters
    ----------
    file
        Where to; an existing file is never overwritten. `-`: to standard output.
    """
    from udplb.config.starter import starter  # noqa: PLC0415

    if len(str(file)) > 1 and str(file).startswith("-"):
        return complain(f'Unknown option: "{file}". See: udplb --help', BAD_USAGE)
    if str(file) == "-":
        print(starter(), end="")
        return DONE
    try:
        with file.open("x", encoding="utf-8") as new:
            new.write(starter())
    except FileExistsError:
        return complain(f"{file} is there already; name another: udplb init FILE", FAILED)
    except OSError as error:
        return complain(f"{file}: {str(error.strerror or error).lower()}", FAILED)
    print(f"wrote {file}; next: udplb check -c {file}, then udplb run --headless -c {file}")
    return DONE


def _configuration_file(given: Path | None) -> Path:
    """The file that was given, or the first of the usual places that has one."""
    if given is not None:
        return given
    return next((place for place in PLACES if os.path.exists(place)), PLACES[0])


def _refuse(error: ConfigError) -> int:
    """Each problem is a line of its own, as editors and scripts read them: FILE:LINE: key: what."""
    print(error, file=sys.stderr)
    return BAD_USAGE
