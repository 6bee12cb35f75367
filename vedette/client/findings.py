"""Findings across jobs over HTTP: look at, decide about, export."""

from __future__ import annotations

from collections.abc import Iterator

from shared.contracts.weakness import BulkTriage, FindingView, Triaged
from vedette.client.http import Http, Items, given, path


class FindingPage(Items[FindingView]):
    """Findings, newest first."""


class Findings:
    """What the client can do with findings. Ids may be any unique beginning or end of one.

    everything: also those of scans that are not the newest of their target, and those that are fixed.
    """

    def __init__(self, http: Http) -> None:
        self._http = http

    def page(
        self, q: str | None = None, *, everything: bool = False, limit: int = 50, cursor: str | None = None
    ) -> FindingPage:
        """Return one page of findings. q: a query such as `severity:critical status:open`."""
        params = given(limit=limit, cursor=cursor) | _asked(q, everything=everything)
        return self._http.ask(FindingPage, "GET", "findings", params=params)

    def get(self, finding_id: str) -> FindingView:
        """Return one finding."""
        return self._http.ask(FindingView, "GET", path("findings", finding_id))

    def triage(self, asked: BulkTriage) -> Triaged:
        """Decide about findings, all or none. Raises StateForbids: another count than `expect`."""
        return self._http.ask(Triaged, "POST", "./findings:triage", json=asked.model_dump(mode="json"))

    def export(self, q: str | None = None, *, everything: bool = False) -> Iterator[FindingView]:
        """Yield all findings that match, as they are read; the gateway ends it at 100,000."""
        return self._http.lines(FindingView, "findings/export", _asked(q, everything=everything))

    def sarif(self, q: str | None = None, *, everything: bool = False) -> Iterator[str]:
        """Yield the pieces of a SARIF 2.1.0 file of them."""
        return self._http.pieces("findings/export", _asked(q, everything=everything) | {"format": "sarif"})


def _asked(q: str | None, *, everything: bool) -> dict[str, str]:
    return given(q=q) | ({"all": "true"} if everything else {})
