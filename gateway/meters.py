"""What this gateway itself counts: requests by route, and refusals at the door. Each process has its own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import Scope

REGISTRY = CollectorRegistry()
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
NO_ROUTE = "none"

_requests = Counter(
    "vedette_http_requests", "Requests that were answered.", ["method", "route", "status"], registry=REGISTRY
)
_seconds = Histogram(
    "vedette_http_request_duration_seconds",
    "From the head of a request to the end of its answer.",
    ["method", "route"],
    buckets=BUCKETS_S,
    registry=REGISTRY,
)
_refusals = Counter("vedette_auth_failures", "Requests without a valid credential.", ["reason"], registry=REGISTRY)


def request(scope: Scope, status: int, took_s: float) -> None:
    """Count one request. Its labels are bounded: the route's template, never the path that a stranger wrote."""
    method = scope["method"] if scope["method"] in METHODS else "other"
    route = getattr(scope.get("route"), "path", NO_ROUTE)
    _requests.labels(method, route, str(status)).inc()
    _seconds.labels(method, route).observe(took_s)


def refusal(reason: str) -> None:
    """Count one refusal at the door. reason: a word of ours, such as `login.failed`."""
    _refusals.labels(reason).inc()
