"""Queues over HTTP: how deep they are, pause, resume, purge."""

from __future__ import annotations

from shared.contracts.queues import PauseRequest, Purge, PurgeRequest, QueueList, QueueView
from vedette.client.http import Http, path


class Queues:
    """What the client can do with queues. Without a broker all of it raises GatewayFailed."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def all(self) -> QueueList:
        """Return all queues, and how full the broker is."""
        return self._http.ask(QueueList, "GET", "queues")

    def get(self, name: str) -> QueueView:
        """Return one queue."""
        return self._http.ask(QueueView, "GET", path("queues", name))

    def pause(self, name: str, reason: str = "") -> QueueView:
        """Have nobody take messages from a queue until it is resumed; they can still be put."""
        return self._act(name, "pause", PauseRequest(reason=reason).model_dump(mode="json"))

    def resume(self, name: str) -> QueueView:
        """Have workers take messages again."""
        return self._act(name, "resume", None)

    def purge(self, name: str, *, expect: int | None = None, dry_run: bool = False) -> Purge:
        """Cancel what waits in a queue; messages of no job become dead letters. Raises StateForbids: another count."""
        body = PurgeRequest(expect=expect, dry_run=dry_run).model_dump(mode="json")
        return self._http.ask(Purge, "POST", f"{path('queues', name)}:purge", json=body)

    def _act(self, name: str, verb: str, body: dict[str, object] | None) -> QueueView:
        return self._http.ask(QueueView, "POST", f"{path('queues', name)}:{verb}", json=body)
