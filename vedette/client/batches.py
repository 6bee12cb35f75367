"""Batches over HTTP: many targets under one name."""

from __future__ import annotations

from collections.abc import Sequence

from shared.contracts.batch import BatchView
from shared.contracts.operation import Operation
from shared.contracts.submission import Options
from shared.contracts.target import TargetModel
from shared.ids import new_id
from vedette.client.http import Http, Items, given, path

SUBMIT_TIMEOUT_S = 120.0  # 10,000 targets are resolved and written


class BatchPage(Items[BatchView]):
    """Batches, newest first."""


class Batches:
    """What the client can do with batches. Ids may be any unique beginning or end of one."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def create(
        self, targets: Sequence[TargetModel], options: Options | None = None, *, name: str = "", key: str = ""
    ) -> BatchView:
        """Submit many targets: all of their jobs are made, or none. Raises RequestWrong naming the bad field.

        key: of a submission that may come again, and then makes nothing; without, this one has its own.
        """
        body = {
            "name": name,
            "targets": [target.model_dump(mode="json") for target in targets],
            **(options or Options()).model_dump(mode="json"),
        }
        headers = {"Idempotency-Key": key or new_id()}
        return self._http.ask_again(BatchView, "POST", "batches", json=body, headers=headers, timeout=SUBMIT_TIMEOUT_S)

    def page(self, *, limit: int = 50, cursor: str | None = None) -> BatchPage:
        """Return one page of batches, newest first."""
        return self._http.ask(BatchPage, "GET", "batches", params=given(limit=limit, cursor=cursor))

    def get(self, batch_id: str) -> BatchView:
        """Return one batch: how many of its jobs are in which state, and what they found."""
        return self._http.ask(BatchView, "GET", path("batches", batch_id))

    def cancel(self, batch_id: str) -> Operation:
        """Cancel those of its jobs that are not over, as an operation."""
        return self._http.ask(Operation, "POST", f"{path('batches', batch_id)}:cancel")
