"""The configuration file: one table of keys, and all that is made from it.

Whoever wants a configuration calls `load.load`; this room knows core's plain types and nothing
of the engine.
"""
