"""The supervisor's end of the guardian: tells it which process groups to end should the supervisor be killed."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import IO, Self

from vedette.stack import guardian

WAIT_S = guardian.GRACE_S + 5


class Guard:
    """A running guardian. Leaving the block ends it, and with it whatever group it still watches."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-S", "-E", str(Path(guardian.__file__))]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=WAIT_S)

    def watch(self, group: int) -> None:
        self._say(f"+{group}\n")

    def forget(self, group: int) -> None:
        self._say(f"-{group}\n")

    @property
    def _pipe(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101  a pipe was asked for
        return self._process.stdin

    def _say(self, line: str) -> None:
        with contextlib.suppress(OSError):
            self._pipe.write(line.encode())
            self._pipe.flush()
