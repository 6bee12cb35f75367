"""Statistics over HTTP: what jobs came to."""

from __future__ import annotations

from shared.contracts.statistics import Bucket, Interval, KindFigures, Overview, StageFigures
from vedette.client.http import Http, Items, given


class Statistics:
    """What the client can be told of the jobs that ended in the last `hours`, 90 days at most."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def overview(self, hours: int = 24) -> Overview:
        """Return how jobs stand, and what came of those that ended."""
        return self._http.ask(Overview, "GET", "stats/overview", params=given(hours=hours))

    def series(self, every: Interval = Interval.HOUR, hours: int = 24) -> list[Bucket]:
        """Return what ended by interval (UTC), oldest first, without those in which nothing did.

        Raises Refused when there would be more than 2160 of them.
        """
        return self._http.ask(Items[Bucket], "GET", "stats/timeseries", params=given(every=every, hours=hours)).items

    def stages(self, hours: int = 24) -> list[StageFigures]:
        """Return how the stages fared, in their order."""
        return self._http.ask(Items[StageFigures], "GET", "stats/stages", params=given(hours=hours)).items

    def kinds(self, hours: int = 24) -> list[KindFigures]:
        """Return what ended by kind of target and profile, the busiest first."""
        return self._http.ask(Items[KindFigures], "GET", "stats/kinds", params=given(hours=hours)).items
