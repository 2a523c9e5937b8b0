"""`udplb events`: what happens, as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from udplb.cli.endings import DONE
from udplb.cli.output import Output
from udplb.cli.watching import TAKE_S, Absence
from udplb.engine.control.requests import Subscribe
from udplb.engine.events import Event
from udplb.show.events import line_of_event, page_of_event

if TYPE_CHECKING:
    from udplb.client import Client


def follow(client: Client, output: Output, *, flows: bool, json: bool) -> int:
    """Print events until Ctrl-C. Raises Complaint."""
    from udplb.client.interface import Lost, Resumed  # noqa: PLC0415

    absence = Absence()
    try:
        stream = client.subscribe(Subscribe(snapshots=False, flow_events=flows))
        try:
            while True:
                for item in stream.take(TAKE_S):
                    if isinstance(item, Lost):
                        absence.tell(item)
                    elif isinstance(item, Resumed):
                        absence.end("; what happened meanwhile is not told")
                    elif isinstance(item, Event):
                        _print(item, output, json)
        finally:
            stream.close()
    except KeyboardInterrupt:
        return DONE


def _print(event: Event, output: Output, json: bool) -> None:
    if json:
        output.document(event)
    elif output.terminal:
        output.show(page_of_event(event))
    else:
        output.line(line_of_event(event))
