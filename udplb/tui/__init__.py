"""The console: live flows, backends and events in a terminal, and the hands to act on them."""
