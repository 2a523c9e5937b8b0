"""Commands that run a proxy or prepare its file: run, demo, check, init."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from udplb.cli.endings import BAD_USAGE, DONE, FAILED, Complaint, complain
from udplb.config.problems import ConfigError

if TYPE_CHECKING:
    from udplb.tui.settings import Settings
    from udplb.tui.terminal import Choices

PLACES = (Path("udplb.toml"), Path("/etc/udplb/udplb.toml"))
"""Where the configuration is looked for when no FILE is given."""

ConfigFile = Annotated[Path | None, Parameter(name=["--config", "-c"])]


def run(
    config: ConfigFile = None,
    *,
    headless: bool = False,
    read_only: bool = False,
    theme: str | None = None,
) -> int:
    """Forward datagrams as FILE says, until a signal ends it.

    SIGTERM or Ctrl-C drains: no new flows, those that exist finish, at most `drain_timeout`. A
    second signal ends at once.

    Parameters
    ----------
    config
        The configuration; default ./udplb.toml, then /etc/udplb/udplb.toml.
    headless
        Without the console: for production.
    read_only
        The console changes nothing.
    theme
        The console's: a name, or a theme's file.
    """
    if headless:
        if read_only or theme is not None:
            return complain(
                "--read-only and --theme are for the console, not --headless", BAD_USAGE
            )
        return _run_headless(_configuration_file(config))
    return _run_with_console(_configuration_file(config), read_only=read_only, theme=theme)


def console(
    proxy: Annotated[str | None, Parameter(name="PROXY")] = None,
    /,
    *,
    config: ConfigFile = None,
    connect: Annotated[str | None, Parameter(name=["--connect", "--socket"])] = None,
    read_only: bool = False,
    theme: str | None = None,
) -> int:
    """The interactive terminal: on the proxy that runs already, or with one inside.

    Without arguments it attaches to the proxy whose socket is there; with one to that proxy. With
    -c FILE it runs a proxy of its own, which ends with it.

    For example:

        udplb console
        udplb console --connect /run/udplb/udplb.sock --read-only
        udplb console prod
        udplb console -c udplb.toml

    Parameters
    ----------
    proxy
        As --connect. A configuration's file: as -c.
    config
        Run a proxy with this configuration.
    connect
        Attach to the proxy at this socket, or of this name in ~/.config/udplb/console.toml;
        default: UDPLB_SOCKET, then where `run` puts it.
    read_only
        Change nothing; the proxy itself refuses it.
    theme
        A name, or a theme's file; default: as console.toml has it for the proxy, else dark.
    """
    if proxy is not None:
        if config is not None or connect is not None:
            return complain("name one proxy: as PROXY, by --connect or by -c", BAD_USAGE)
        if os.path.isfile(proxy) or proxy.endswith(".toml"):
            config = Path(proxy)
        else:
            connect = proxy
    if config is not None and connect is not None:
        return complain("-c runs a proxy, --connect attaches to one: not both", BAD_USAGE)
    if config is not None:
        return _run_with_console(config, read_only=read_only, theme=theme)
    choices = _choices(theme, read_only=read_only)
    if isinstance(choices, int):
        return choices
    from udplb.cli.asking import proxy as answering  # noqa: PLC0415
    from udplb.tui.attach import attach  # noqa: PLC0415

    with answering(_socket(connect, choices.settings), read_only=read_only) as client:
        return attach(client, choices)


def _socket(word: str | None, settings: Settings) -> Path | None:
    """What a path or a proxy's name means. Raises Complaint."""
    from udplb.tui.settings import UnknownProxyError  # noqa: PLC0415

    try:
        return None if word is None else settings.socket_of(word)
    except UnknownProxyError as error:
        raise Complaint(str(error), BAD_USAGE, map(str, settings.problems)) from None


def _choices(theme: str | None, *, read_only: bool) -> Choices | int:
    """What was said about the console; the exit code where there can be none."""
    from udplb.tui.terminal import choose, why_not  # noqa: PLC0415
    from udplb.tui.themes.loading import ThemeError  # noqa: PLC0415

    if (reason := why_not()) is not None:
        return complain(reason, BAD_USAGE)
    try:
        return choose(theme, read_only=read_only)
    except ThemeError as error:
        print(error, file=sys.stderr)
        return BAD_USAGE


def _run_headless(path: Path) -> int:
    from udplb.config.load import load  # noqa: PLC0415

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


def _run_with_console(path: Path, *, read_only: bool, theme: str | None) -> int:
    from udplb.config.load import load  # noqa: PLC0415

    choices = _choices(theme, read_only=read_only)
    if isinstance(choices, int):
        return choices
    try:
        loaded = load(path)
    except ConfigError as error:
        return _refuse(error)
    from udplb.embed import run_with_console  # noqa: PLC0415
    from udplb.engine.binding import StartError  # noqa: PLC0415

    try:
        return run_with_console(loaded, path, choices)
    except StartError as error:
        return complain(str(error), FAILED)


def demo(
    *,
    headless: bool = False,
    acts: Annotated[bool, Parameter(negative="")] = False,
    duration: float | None = None,
    theme: str | None = None,
) -> int:
    """DNS and game servers, clients of both and a proxy between them, in one command.

    On a terminal with the console, and with acts: backends slow down, die and return, one is
    drained, and clients misbehave; a round of it lasts a minute. Elsewhere, or headless, it prints
    a line a second. The exit code is 0 only if every client got every reply, once; with acts, where
    replies must be missing, if nobody got a reply that was not his own.

    Parameters
    ----------
    headless
        Without the console.
    acts
        The acts, headless too.
    duration
        Seconds to run; default: until it is left or Ctrl-C on a terminal, else 5.
    theme
        The console's: a name, or a theme's file.
    """
    from udplb.demo import run_demo  # noqa: PLC0415
    from udplb.tui.terminal import why_not  # noqa: PLC0415

    if duration is not None and not 0 < duration <= 86_400:
        return complain("--duration is a number of seconds from 0 to 86400", BAD_USAGE)
    if not headless and why_not() is None:
        choices = _choices(theme, read_only=False)
        if isinstance(choices, int):
            return choices
        from udplb.demo.console import run_console_demo  # noqa: PLC0415

        return run_console_demo(duration, choices)
    if duration is None and not sys.stdout.isatty():
        duration = 5.0
    return run_demo(duration, acts=acts)


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
