"""Requests as they are, for what has no method of its own."""

from __future__ import annotations

from typing import Any

from shared.errors import InvalidInput
from vedette.client.http import MAX_ANSWER, Answer, Http


class Raw:
    """What the client can do with any path of its gateway, and of no other."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def ask(self, method: str, path: str, **request: Any) -> Answer:  # noqa: ANN401  as `httpx2.Client.request`
        """Return the answer, whatever its status. path: `jobs`, `/api/v1/jobs`, `/readyz`."""
        if "://" in path or path.startswith("//") or "\\" in path or ".." in path.split("?", maxsplit=1)[0].split("/"):
            raise InvalidInput(f"{path[:80]!r} is not a path.", cure="Write it like jobs, or /api/v1/jobs")
        where = f"{self._http.url}{path}" if path.startswith("/") else f"./{path}"
        return self._http.answer(method, where, MAX_ANSWER, **request)
