"""A proxy that says what the test wants, whatever it is asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

HELLO = {"type": "hello", "protocol": 1, "version": "7.7", "pid": 5, "read_only": False}


class Liar:
    """Says each script once: its first text on connecting, the next after each line it hears.

    After a script's last text the connection is closed, unless the text is None.
    """

    def __init__(self, path: Path, *scripts: Sequence[object]) -> None:
        self.heard: list[dict[str, Any]] = []
        self._scripts = scripts
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.bind(str(path))
        self._sock.listen()
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Liar:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()
        for each in self._open:
            each.close()

    def _serve(self) -> None:
        for script in self._scripts:
            try:
                sock, _ = self._sock.accept()
            except OSError:
                return
            self._open.append(sock)
            with suppress(OSError):  # the test is over
                self._play(sock, script)

    def _play(self, sock: socket.socket, script: Sequence[object]) -> None:
        lines = sock.makefile("rb")
        for number, text in enumerate(script):
            if text is None:
                return
            if number:
                line = lines.readline()
                if line:
                    self.heard.append(msgspec.json.decode(line))
            for each in text if isinstance(text, list) else [text]:
                sock.sendall(each if isinstance(each, bytes) else msgspec.json.encode(each) + b"\n")
        lines.close()
        sock.shutdown(socket.SHUT_RDWR)
        sock.close()
