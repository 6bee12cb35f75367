"""Alerts over HTTP: what is wrong with the installation, and who looks after it."""

from __future__ import annotations

from shared.contracts.alert import AlertState, AlertView
from vedette.client.http import Http, Items, given, path


class AlertPage(Items[AlertView]):
    """Alerts, newest first."""


class Alerts:
    """What the client can do with alerts. Ids may be any unique beginning or end of one."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def page(self, *, state: AlertState | None = None, limit: int = 50, cursor: str | None = None) -> AlertPage:
        """Return one page of alerts; state: only those that fire, or that are over."""
        return self._http.ask(AlertPage, "GET", "alerts", params=given(state=state, limit=limit, cursor=cursor))

    def acknowledge(self, alert_id: str, reason: str = "") -> AlertView:
        """Say that one looks after it: nobody is reminded any more. Raises StateForbids when it is over."""
        return self._http.ask(AlertView, "POST", f"{path('alerts', alert_id)}:acknowledge", json={"reason": reason})
