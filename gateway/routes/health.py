"""Whether the gateway lives, whether it can work, and what it is. The only routes without a token."""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate
from importlib.metadata import version as installed

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from gateway import broker, pressure
from gateway.openapi import problems
from gateway.problems import RETRY_AFTER_S
from shared import bus
from shared.broker import refusals
from shared.broker.client import BrokerAway
from shared.store import plugins
from shared.store.engine import reading

log = structlog.get_logger()

router = APIRouter(tags=["health"])

CHECK_TIMEOUT_S = 2.0  # for all checks together
VERSION = installed("vedette-gateway")
_POOL = ThreadPoolExecutor(max_workers=8, thread_name_prefix="check")


class Health(BaseModel):
    """`ready`; `degraded`: jobs are taken and shown, but wait for the broker; `unready`: nothing works.

    checks (with `?verbose`): each dependency, `ok` or `away`; `memory`, when the broker fills up, says how full it is;
    `signatures`, when messages or events could not be verified, says how many.
    """

    status: str
    checks: dict[str, str] | None = None


class Version(BaseModel):
    version: str


@router.head("/livez", include_in_schema=False)
@router.get("/livez")
async def livez() -> Health:
    """The process answers."""
    return Health(status="alive")


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses={**problems(422), 503: {"model": Health, "description": "The database is away."}})
def readyz(request: Request, response: Response, verbose: str | None = None) -> Health:
    """Whether the gateway can work. Only a database that is away is a 503: without a broker it still takes jobs in."""
    checks = _check()
    if checks["broker"] == "ok" and (alarm := pressure.view().alarm):
        checks["memory"] = alarm
    if checks["broker"] == "ok" and (forged := _forged()):
        checks["signatures"] = forged
    checks["events"] = "ok" if request.app.state.live.is_connected else "away"
    status = "degraded" if "away" in checks.values() else "ready"
    if checks["database"] != "ok":
        status, response.status_code = "unready", 503
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return Health(status=status, checks=None if verbose is None else checks)


@router.head("/version", include_in_schema=False)
@router.get("/version")
async def version() -> Version:
    """The version of the gateway."""
    return Version(version=VERSION)


def _check() -> dict[str, str]:
    until = time.monotonic() + CHECK_TIMEOUT_S
    tasks = {
        name: _POOL.submit(check) for name, check in (("database", _database), ("broker", broker.ping), ("bus", _bus))
    }
    return {name: _outcome(name, task, until - time.monotonic()) for name, task in tasks.items()}


def _outcome(name: str, task: Future[None], left_s: float) -> str:
    try:
        failure = task.exception(max(left_s, 0.0))
    except TooLate as exc:
        task.cancel()
        failure = exc
    if failure:
        log.debug("gateway.dependency.away", dependency=name, error=type(failure).__name__)
    return "away" if failure else "ok"


def _forged() -> str:
    """Say how many messages and events could not be verified, if any."""
    try:
        found = {reason: number for reason, number in refusals.counts().items() if number}
    except BrokerAway:
        return ""
    return ", ".join(f"{number} {reason}" for reason, number in found.items())


def _database() -> None:
    with reading() as connection:
        plugins.known(connection, "formats")  # a table, so that a database without its schema is not ready


def _bus() -> None:
    bus.client().ping()
