"""The command line in terminals of its own: what is on the screen, and signals."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from contextlib import suppress

from shared import testing
from tests.vedette.lab import ROOT

COMMAND = [sys.executable, "-c", "from vedette.cli import main; main()"]


class Terminals:
    """Commands in terminals of their own, all ended with the test."""

    def __init__(self) -> None:
        self._open: list[tuple[subprocess.Popen[bytes], int]] = []

    def run(self, columns: int, *arguments: str) -> tuple[subprocess.Popen[bytes], int]:
        self._open.append(_in_terminal(columns, *arguments))
        return self._open[-1]

    def type(self, screen: int, text: str) -> None:
        os.write(screen, text.encode())

    def close(self) -> None:
        for child, screen in self._open:
            testing.end(child)
            os.close(screen)


def _in_terminal(columns: int, *arguments: str) -> tuple[subprocess.Popen[bytes], int]:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8"}
    environment.pop("COLUMNS", None)
    command = [*COMMAND, *arguments]
    child = subprocess.Popen(
        command, env=environment, start_new_session=True, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    return child, ours


def until(screen: int, text: str, timeout_s: float = 30.0) -> str:
    """Read the terminal until `text` was seen."""
    said, deadline = b"", time.monotonic() + timeout_s
    while text.encode() not in said:
        assert time.monotonic() < deadline, f"{text!r} did not come: {said[-500:].decode(errors='replace')}"
        if select.select([screen], [], [], 0.2)[0]:
            with suppress(OSError):  # the child has closed the terminal
                said += os.read(screen, 65536)
    return said.decode(errors="replace")
