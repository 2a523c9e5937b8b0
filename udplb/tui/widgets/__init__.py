"""Widgets of the console that draw their own lines."""
