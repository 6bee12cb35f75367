"""A stack of its own in a folder of its own, with jobs to draw."""

from __future__ import annotations

import base64
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VEDETTE = str(Path(sys.executable).with_name("vedette"))
COMMAND_S = 150


class CommandFailed(Exception):
    """A command of the stack did not do what it should."""


@contextmanager
def stack() -> Iterator[None]:
    """Run a stack for the block; commands and clients of this process find it, and no other."""
    with tempfile.TemporaryDirectory(prefix="vedette-pictures-") as folder:
        for name in [name for name in os.environ if name.startswith("VEDETTE_")]:
            del os.environ[name]
        os.environ |= {
            "VEDETTE_HOME": folder,
            "VEDETTE_WEBHOOK_SECRET": f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}",
            "VEDETTE_NOTIFY_PRIVATE_ADDRESSES": "true",
        }
        run("up", "--detach", "--port", str(_free_port()))
        try:
            yield
        finally:
            run("down")


def run(*arguments: str) -> str:
    """Run a command and return what it printed. Raises CommandFailed."""
    done = subprocess.run([VEDETTE, *arguments], capture_output=True, text=True, timeout=COMMAND_S, check=False)
    if done.returncode:
        raise CommandFailed(f"vedette {' '.join(arguments)}: {done.stderr or done.stdout}")
    return done.stdout


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
