"""What can go wrong between us and the gateway.

VedetteError
├── Unreachable           nothing answers at the URL, or not in time
├── AnswerNotUnderstood   too large, or of a shape that this version does not know
├── WaitTimedOut          the job goes on
└── Refused               the gateway said no; `problem` is what it said
    ├── NotAllowed        401, 403
    ├── TargetNotAllowed  403 of a target that policy refuses
    ├── NothingThere      404, 410
    ├── StateForbids      409, 412
    ├── RequestWrong      any other 4xx
    ├── TooMany           429
    └── GatewayFailed     5xx
"""

from __future__ import annotations

from typing import NoReturn

import httpx2
from pydantic import ValidationError

from shared.contracts.problems import Problem
from shared.errors import (
    Conflict,
    Infrastructure,
    InvalidInput,
    NotFound,
    Permanent,
    Resource,
    Security,
    Temporary,
    VedetteError,
)

UNAUTHORIZED = 401
TARGET_REFUSED = "target-refused"


class Unreachable(Infrastructure):
    """Nothing answers at the URL, or not in time."""


class AnswerNotUnderstood(Permanent):
    """The answer is too large, or has a shape that this version does not know."""


class WaitTimedOut(Resource):
    """The job is not over yet; it goes on."""


class Refused(VedetteError):
    """The gateway said no. `problem` is what it said."""

    problem: Problem | None = None


class NotAllowed(Refused, Security):
    """401 or 403: the token is missing or wrong, or may not do this."""


class TargetNotAllowed(Refused, InvalidInput):
    """403 `target-refused`: whoever asks may submit, but not this target."""


class NothingThere(Refused, NotFound):
    """404."""


class StateForbids(Refused, Conflict):
    """409."""


class RequestWrong(Refused, InvalidInput):
    """The request cannot be carried out as it is."""


class TooMany(Refused, Temporary):
    """429: too many requests at once."""


class GatewayFailed(Refused, Infrastructure):
    """5xx: the gateway, or what stands behind it, failed."""


def refuse(response: httpx2.Response, body: bytes) -> NoReturn:
    """Raise the error that the answer stands for."""
    status = response.status_code
    if 300 <= status < 400:
        raise AnswerNotUnderstood(f"The gateway redirects to {response.headers.get('location', '?')[:200]}.", cure=_URL)
    kind = _BY_STATUS.get(status, GatewayFailed if status >= 500 else RequestWrong)
    try:
        problem = Problem.model_validate_json(body)
    except ValidationError:
        raise kind(f"The gateway answered {status} {response.reason_phrase}.", cure=_URL) from None
    if problem.code == TARGET_REFUSED:
        kind = TargetNotAllowed
    cure = _CURES[NotAllowed] if status == UNAUTHORIZED else problem.cure or _CURES.get(kind, "")
    error = kind(problem.detail or problem.title, cure=cure)
    error.problem = problem
    raise error


def unreachable(url: str, exc: Exception) -> Unreachable:
    if isinstance(exc, httpx2.ConnectTimeout | httpx2.ReadTimeout | httpx2.WriteTimeout | httpx2.PoolTimeout):
        what = "did not answer in time"
    elif isinstance(exc, httpx2.ConnectError):
        what = f"cannot be reached ({exc})"
    else:
        what = f"broke off ({type(exc).__name__})"
    return Unreachable(f"The gateway at {url} {what}.", cure=_URL)


_BY_STATUS: dict[int, type[Refused]] = {
    401: NotAllowed,
    403: NotAllowed,
    404: NothingThere,
    409: StateForbids,
    410: NothingThere,
    412: StateForbids,
    429: TooMany,
}


_URL = "See that the URL is right and the gateway runs: vedette status, vedette doctor"
_CURES: dict[type[Refused], str] = {
    NotAllowed: "vedette login URL; or set VEDETTE_TOKEN (the local stack's is in $VEDETTE_HOME/token)",
    GatewayFailed: "Try again; if it stays: vedette doctor",
}
