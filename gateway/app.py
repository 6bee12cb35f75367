"""The application: routes, and the middleware around them."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Match

from gateway import auth, broker, openapi, problems, queries, tickets
from gateway.audience import Audience
from gateway.edge import PROBES, BodyLimit, Edge, Hosts
from gateway.etag import ETag
from gateway.idempotency import Idempotency
from gateway.limits import RateLimit
from gateway.live import Live
from gateway.routes import (
    alerts,
    aliases,
    amendments,
    audit,
    batches,
    dlq,
    events,
    findings,
    health,
    interventions,
    invitations,
    jobs,
    keys,
    login,
    logs,
    metrics,
    operations,
    orders,
    orgs,
    policies,
    queues,
    quota,
    reports,
    rules,
    scan_rules,
    statistics,
    targets,
    traces,
    users,
    ws,
)
from shared import heartbeat
from shared.broker import silence
from shared.settings import Settings

END_TIMEOUT_S = 1.0  # for the subscriber to say goodbye to the bus
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")


def create_app(token: str, allowed_hosts: frozenset[str] = frozenset()) -> FastAPI:
    """Return the gateway. An empty `allowed_hosts` allows every Host header. Raises auth.TokenMissing."""
    live = Live()
    app = FastAPI(
        title="Vedette",
        version=health.VERSION,
        description=openapi.DESCRIPTION,
        openapi_url=None,
        dependencies=[Depends(queries.check)],
        redirect_slashes=False,
        generate_unique_id_function=openapi.operation_id,
        lifespan=_lifespan,
        middleware=[
            Middleware(Edge),
            Middleware(Hosts, allowed=allowed_hosts),
            Middleware(tickets.Tickets),
            Middleware(auth.Auth, token=auth.required(token)),
            Middleware(RateLimit),
            Middleware(BodyLimit),
            Middleware(Idempotency),
            Middleware(ETag),
        ],
        telemetry={
            "metrics": False,
            "logs": False,  # they hold what clients sent
            "operation_spans": False,
            "auto_configure": False,
            "exclude": lambda scope: scope["path"] in PROBES,
        },
    )
    app.state.live = live
    app.state.audience = Audience()
    for routes in (
        login,
        orgs,
        invitations,
        users,
        quota,
        keys,
        events,
        ws,
        jobs,
        logs,
        batches,
        amendments,
        aliases,
        statistics,
        traces,
        findings,
        interventions,
        reports,
        orders,
        rules,
        dlq,
        operations,
        queues,
        policies,
        targets,
        scan_rules,
        alerts,
        audit,
        health,
        metrics,
    ):
        app.include_router(routes.router)
    app.add_api_route("/api/v1/openapi.json", _openapi, include_in_schema=False)
    app.add_exception_handler(RequestValidationError, _problem)
    app.add_exception_handler(HTTPException, _problem)
    return app


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """Return the names that a Host header may have: on loopback its own and the public one, elsewhere all (empty)."""
    if not _is_loopback(settings.gateway_host):
        return frozenset()
    public = urlsplit(settings.gateway_public_url).hostname
    return frozenset({"localhost", "127.0.0.1", "::1", settings.gateway_host.lower(), *([public] if public else [])})


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    with silence.hurrying():
        async with _running(app):
            yield


@asynccontextmanager
async def _running(app: FastAPI) -> AsyncIterator[None]:
    live: Live = app.state.live
    following = asyncio.create_task(live.run())
    others = [asyncio.create_task(_beat()), asyncio.create_task(asyncio.to_thread(broker.pipeline))]
    yield
    live.close()
    for task in others:
        task.cancel()
    await asyncio.wait([following], timeout=END_TIMEOUT_S)
    await _end({following, *others})


async def _end(tasks: set[asyncio.Task[Any]]) -> None:
    # Cancelled again and again: a library that keeps the cancellation to itself would leave its task running.
    while running := {task for task in tasks if not task.done()}:
        for task in running:
            task.cancel()
        await asyncio.wait(running, timeout=0.1)


async def _beat() -> None:
    while True:
        heartbeat.beat("gateway")
        await asyncio.sleep(heartbeat.EVERY_S)


async def _openapi(request: Request) -> JSONResponse:
    return JSONResponse(openapi.document(request.app))


async def _problem(request: Request, exc: Exception) -> Response:
    if isinstance(exc, HTTPException) and exc.status_code == 405:
        # The framework names the methods of the first route of this path only.
        exc = HTTPException(405, headers={"Allow": ", ".join(_methods(request))})
    return problems.answer(exc)


def _methods(request: Request) -> list[str]:
    app: FastAPI = request.app
    scopes = {method: {**request.scope, "method": method} for method in _METHODS}
    return [method for method, scope in scopes.items() if any(r.matches(scope)[0] is Match.FULL for r in app.routes)]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
