"""udplb: a UDP load balancer that forwards trains, with a live terminal console."""

__version__ = "0.1.0"
