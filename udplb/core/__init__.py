"""The pure core: decides everything about flows and does no I/O.

No socket, clock, randomness, thread, logging or file is known here: time is an argument, chance
a seeded generator. Inputs are methods in the past tense, what they return are commands in the
imperative, which the engine carries out in order.
"""
