"""Control: the requests that people and scripts can make, and the socket that they come through.

`requests.py` is the one table of them. `desk.py` answers them in the engine's loop, whoever asks;
`server.py` brings those that come through the Unix socket.
"""
