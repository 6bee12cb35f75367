"""A network of one's own, with 127.0.0.1 as the only name server, for a program of the tests."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.conftest import missing

ROOT = Path(__file__).parents[1]
_UNSHARE = ("unshare", "--map-root-user", "--net", "--mount")
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1


def in_own_network(
    folder: Path, module: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> list[str]:
    """Run `module` in a network of its own; return the lines that it prints."""
    resolver = folder / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:2 attempts:1\n")
    script = f'mount --bind {resolver} /etc/resolv.conf && exec "$@"'
    command = [*_UNSHARE, "sh", "-c", script, "sh"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*command, "true"], capture_output=True, check=False).returncode
    ):
        missing("namespaces of network and mounts are not to be had here")
    program = [*command, sys.executable, "-m", module, *arguments]
    given = {**os.environ, **(environment or {})}
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False, env=given)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def begin() -> None:
    """Bring loopback up, which a new network has down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
