"""Themes: which colours, attributes and glyphs the console draws with, from files that anybody may
write. Nothing here draws, and nothing here knows the application."""
