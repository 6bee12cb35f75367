"""Which children the stack has, how each is started, and how one sees that it is ready."""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vedette.stack import server
from vedette.stack.home import Layout

SERVICES = {"scan": 2, "process": 1, "report": 1, "notify": 1}  # children of each worker's pool, for two cores
READY_TIMEOUT_S = 1.0


@dataclass(frozen=True)
class Child:
    """One child. `command` is asked for anew at every start, since it may write configuration."""

    name: str
    command: Callable[[], list[str]]
    is_ready: Callable[[], bool]
    before: Callable[[], None] = lambda: None


def redis(where: Layout) -> Child:
    def before() -> None:
        server.end_orphan(where)

    return Child("redis", lambda: server.command(where), lambda: server.answers(where), before)


def others(where: Layout, port: int) -> list[Child]:
    """The children that need the server and the schema."""
    url = f"http://127.0.0.1:{port}/livez"
    gateway = Child("gateway", lambda: [sys.executable, "-m", "gateway"], lambda: _answers(url))
    control = _beating(where, "control", [sys.executable, "-m", "control.reconciler"])
    return [*(_beating(where, name, _worker(name, size)) for name, size in SERVICES.items()), gateway, control]


def environment(where: Layout, port: int) -> dict[str, str]:
    """What children are told. Secrets go by file, so that they stand in no process list."""
    own = {
        "VEDETTE_REDIS_URL_FILE": str(where.redis_url),
        "VEDETTE_TOKEN_FILE": str(where.token),
        "VEDETTE_RUN_DIR": str(where.run),
        "VEDETTE_GATEWAY_PORT": str(port),
        "VEDETTE_GATEWAY_HOST": "127.0.0.1",
        "PYTHONUNBUFFERED": "1",
    }
    if not os.environ.get("VEDETTE_DATABASE_URL"):
        own["VEDETTE_DATABASE_URL"] = f"sqlite:///{where.database}"
    inherited = {key: value for key, value in os.environ.items() if key not in {"VEDETTE_REDIS_URL", "VEDETTE_TOKEN"}}
    return inherited | own


def _worker(service: str, size: int) -> list[str]:
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    options = ["--loglevel", "INFO", "--concurrency", str(size), "--hostname", f"{service}@%h", *quiet]
    return [sys.executable, "-m", "celery", "-A", f"services.{service}", "worker", *options]


def _beating(where: Layout, name: str, command: list[str]) -> Child:
    beat = beat_of(where, name)
    return Child(name, lambda: command, beat.exists, lambda: beat.unlink(missing_ok=True))


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=READY_TIMEOUT_S) as answer:  # noqa: S310  our own http URL
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def beat_of(where: Layout, name: str) -> Path:
    """Return the heart-beat file of a child; it need not exist."""
    return where.run / f"vedette-{name}.alive"
