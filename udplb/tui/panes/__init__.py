"""The console's screens. Each is a pane below the masthead, and draws what the model knows."""

from udplb.tui.panes.backends import Backends
from udplb.tui.panes.config import Config
from udplb.tui.panes.events import Events
from udplb.tui.panes.flows import Flows
from udplb.tui.panes.overview import Overview
from udplb.tui.panes.pane import Pane

PANES: tuple[type[Pane], ...] = (Overview, Backends, Flows, Events, Config)
"""In the order of their keys."""
