"""The active probes: what each kind asks and accepts, when each backend is asked, and by whom.

`exchanges` holds the table of kinds; each is a pure function of bytes. `schedule` says who is
due, `attempt` is one probe with its socket, and `checker` drives all of them on the engine's loop.
"""
