"""The audit over HTTP: read, verified, exported."""

from __future__ import annotations

from collections.abc import Iterator

from shared.contracts.audit import AuditEntry, AuditFilter, Verification
from vedette.client.http import Http, Items, given

ALL = AuditFilter()


class AuditPage(Items[AuditEntry]):
    """Actions, newest first."""


class Audit:
    """What the client can do with the audit of its organisation."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def page(self, which: AuditFilter = ALL, *, limit: int = 50, cursor: str | None = None) -> AuditPage:
        """Return one page of who did what, newest first."""
        return self._http.ask(AuditPage, "GET", "audit", params=given(limit=limit, cursor=cursor) | _asked(which))

    def verify(self, *, after: int = 0, known: str | None = None) -> Verification:
        """Check one page of the chain after entry `after`; go on while the answer has `next`."""
        return self._http.ask(Verification, "GET", "audit/verify", params=given(after=after, known=known))

    def export(self, which: AuditFilter = ALL) -> Iterator[AuditEntry]:
        """Yield all entries, oldest first, as they come."""
        return self._http.lines(AuditEntry, "audit/export", _asked(which))


def _asked(which: AuditFilter) -> dict[str, str]:
    return given(**{name: value for name, value in which.model_dump(mode="json").items() if value})
