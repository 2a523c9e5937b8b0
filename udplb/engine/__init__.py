"""The I/O shell: sockets, ports, timers, threads. It carries out what the core decides.

A datagram's way through the files: `listener` receives and groups trains, the core's manager
decides, `datapath` carries the commands out, `upstream` sends and reads, `listener` sends home.
"""
