"""`/metrics` for Prometheus. It shows the whole installation: only its token, or one for this alone, opens it."""

from __future__ import annotations

import hmac
from typing import Any

from fastapi import APIRouter, Request, Response

from gateway import exposition, meters
from gateway.auth import Unauthorized
from gateway.openapi import problems
from shared.settings import settings

router = APIRouter(tags=["metrics"])
_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The figures", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


@router.get("/metrics", response_class=Response, responses={**_TEXT, **problems(401, 500)})
def get_metrics(request: Request) -> Response:
    """Figures of the whole installation in Prometheus's text form, or as OpenMetrics where `Accept` asks for it."""
    _check(request.headers.get("authorization", ""))
    write, content_type = exposition.encoder(request.headers.get("accept", ""))
    return Response(write(exposition.registry()), headers={"Content-Type": content_type})


def _check(authorization: str) -> None:
    scheme, _, given = authorization.partition(" ")
    chosen = settings()
    shown = given.strip().encode("utf-8", "surrogatepass")
    known = [token.get_secret_value().encode() for token in (chosen.metrics_token, chosen.token)]
    if scheme.lower() == "bearer" and any(own and hmac.compare_digest(shown, own) for own in known):
        return
    meters.refusal("metrics.refused")
    raise Unauthorized(
        "The figures need a token.", cure="Send VEDETTE_METRICS_TOKEN as `Authorization: Bearer <token>`."
    )
