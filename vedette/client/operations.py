"""Operations over HTTP: how far they are, and pause, resume, stop."""

from __future__ import annotations

from shared.contracts.operation import Operation
from vedette.client.http import Http, Items, given, path


class OperationPage(Items[Operation]):
    """Operations, newest first."""


class Operations:
    """What the client can do with operations. Ids may be any unique beginning or end of one."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def page(self, *, limit: int = 50, cursor: str | None = None) -> OperationPage:
        """Return one page of operations."""
        return self._http.ask(OperationPage, "GET", "operations", params=given(limit=limit, cursor=cursor))

    def get(self, operation_id: str) -> Operation:
        """Return one operation as it is now."""
        return self._http.ask(Operation, "GET", path("operations", operation_id))

    def pause(self, operation_id: str) -> Operation:
        """Have it stop after the batch it is at, until it is resumed. Raises StateForbids when it is over."""
        return self._act(operation_id, "pause")

    def resume(self, operation_id: str) -> Operation:
        """Have it go on. Raises StateForbids when it is over."""
        return self._act(operation_id, "resume")

    def stop(self, operation_id: str) -> Operation:
        """End it after the batch it is at. Raises StateForbids when it is over."""
        return self._act(operation_id, "stop")

    def _act(self, operation_id: str, verb: str) -> Operation:
        return self._http.ask(Operation, "POST", f"{path('operations', operation_id)}:{verb}")
