"""RFC 9457 problem details: the one shape of every HTTP error."""

from __future__ import annotations

from pydantic import BaseModel


class FieldError(BaseModel):
    """One bad field. `pointer` is an RFC 6901 JSON pointer into the request body."""

    pointer: str
    detail: str


class Problem(BaseModel):
    """`code` is for programs, `detail` says what happened to which thing, `cure` what to do next."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str = ""
    code: str
    cure: str = ""
    trace_id: str = ""
    retryable: bool = False
    errors: list[FieldError] = []
