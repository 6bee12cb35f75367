"""Which children the stack has, how each is started, and how one sees that it is ready."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vedette.stack import server
from vedette.stack.home import Layout

SERVICES = {"scan": 2, "process": 1, "report": 1, "notify": 1}  # children of each worker's pool, for two cores
STAGE_GRACE_S = 6.0  # less than the supervisor's patience: what is not done is put back before workers are killed
NOT_HANDED_ON = {"VEDETTE_REDIS_URL", "VEDETTE_TOKEN", "VEDETTE_MASTER_KEY"}  # the stack has its own, by file
DATABASE_VARIABLES = ("VEDETTE_DATABASE_URL", "VEDETTE_DATABASE_URL_FILE")  # the settings read them in this order


@dataclass(frozen=True)
class Child:
    """One child. `command` is a program, or where `is_forked` a Python module with its arguments."""

    name: str
    command: list[str]
    is_ready: Callable[[], bool]
    is_forked: bool = False
    needs_door: bool = False
    before: Callable[[], None] = lambda: None


def redis(where: Layout) -> Child:
    """The server. An orphan of an earlier stack is stopped first: two servers on one AOF would ruin it."""
    server.end_orphan(where)
    command = server.command(where)
    return Child("redis", command, lambda: server.answers(where), before=lambda: where.socket.unlink(missing_ok=True))


def gateway(where: Layout) -> Child:
    """The gateway; it shares little with the workers, so it is started cold, beside their warming."""
    beat = beat_of(where, "gateway")
    command = [sys.executable, "-m", "gateway"]
    return Child("gateway", command, beat.exists, needs_door=True, before=lambda: beat.unlink(missing_ok=True))


def workers(where: Layout) -> list[Child]:
    """The children that need the server and the schema: one worker per service, and the control loop."""
    control = _beating(where, "control", ["control"])
    return [*(_beating(where, name, _worker(name, size)) for name, size in SERVICES.items()), control]


def environment(where: Layout, port: int) -> dict[str, str]:
    """What children are told. Secrets go by file, so that they stand in no process list."""
    own = {
        "VEDETTE_REDIS_URL_FILE": str(where.redis_url),
        "VEDETTE_TOKEN_FILE": str(where.token),
        "VEDETTE_MASTER_KEY_FILE": str(where.master_key),
        "VEDETTE_RUN_DIR": str(where.run),
        "VEDETTE_GATEWAY_PORT": str(port),
        "VEDETTE_GATEWAY_HOST": "127.0.0.1",
        "VEDETTE_PRIVATE_TARGETS": os.environ.get("VEDETTE_PRIVATE_TARGETS", "true"),  # its user's own networks
        "VEDETTE_WORKER_IS_ALONE": "true",
        "VEDETTE_STOP_GRACE_S": f"{STAGE_GRACE_S:g}",
        "PYTHONUNBUFFERED": "1",
    }
    if not database_variable():
        own["VEDETTE_DATABASE_URL"] = f"sqlite:///{where.database}"
    inherited = {key: value for key, value in os.environ.items() if key not in NOT_HANDED_ON}
    return inherited | own


def database_variable() -> str:
    """Return the variable by which the user names a database of their own, or an empty text."""
    return next((name for name in DATABASE_VARIABLES if os.environ.get(name)), "")


def _worker(service: str, size: int) -> list[str]:
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    options = ["--loglevel", "INFO", "--concurrency", str(size), "--hostname", f"{service}@%h", *quiet]
    return ["celery", "-A", f"services.{service}", "worker", *options]


def _beating(where: Layout, name: str, command: list[str]) -> Child:
    beat = beat_of(where, name)
    return Child(name, command, beat.exists, is_forked=True, before=lambda: beat.unlink(missing_ok=True))


def beat_of(where: Layout, name: str) -> Path:
    """Return the heart-beat file of a child; it need not exist."""
    return where.run / f"vedette-{name}.alive"


def is_given(name: str) -> bool:
    """Say whether the environment gives this setting to a stack started now, by value or by file."""
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))
