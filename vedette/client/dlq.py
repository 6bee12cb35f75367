"""Dead letters over HTTP: look at, replay, discard, and the rules that class them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from shared.contracts.dead_letter import (
    BulkReplay,
    DeadLetterGroup,
    DeadLetterView,
    Forecast,
    Replay,
    Rule,
    Verdict,
)
from shared.contracts.operation import Operation
from shared.contracts.triage import (
    BulkDiscard,
    DeadLetterFilter,
    DeadLetterStats,
    NewRule,
    Payload,
    Reclassify,
    RuleTest,
    Snooze,
)
from shared.errors import FailureClass
from vedette.client.http import MAX_PROBLEM, Http, Items, given, path

ALL = DeadLetterFilter()


class DeadLetterPage(Items[DeadLetterView]):
    """Dead letters, the last failed first."""


class DeadLetters:
    """What the client can do with dead letters. Ids may be any unique beginning or end of one."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self.rules = Rules(http)

    def page(self, which: DeadLetterFilter = ALL, *, limit: int = 50, cursor: str | None = None) -> DeadLetterPage:
        """Return one page of dead letters."""
        return self._http.ask(DeadLetterPage, "GET", "dlq", params=given(limit=limit, cursor=cursor) | _asked(which))

    def groups(self, which: DeadLetterFilter = ALL) -> list[DeadLetterGroup]:
        """Return the groups of equal failures, the largest first."""
        return self._http.ask(Items[DeadLetterGroup], "GET", "dlq/groups", params=_asked(which)).items

    def stats(self) -> DeadLetterStats:
        """Return how many there are, by class, stage and state."""
        return self._http.ask(DeadLetterStats, "GET", "dlq/stats")

    def get(self, letter_id: str) -> DeadLetterView:
        """Return one dead letter."""
        return self._http.ask(DeadLetterView, "GET", path("dlq", letter_id))

    def payload(self, letter_id: str) -> Payload:
        """Return the message of a dead letter as it was sent."""
        return self._http.ask(Payload, "GET", path("dlq", letter_id, "payload"))

    def replay(self, letter_id: str, how: Replay | None = None) -> Verdict:
        """Replay one dead letter now. Raises StateForbids, its problem's code saying why it cannot be."""
        body = (how or Replay()).model_dump(mode="json")
        return self._http.ask(Verdict, "POST", f"{path('dlq', letter_id)}:replay", json=body)

    def replay_many(self, asked: BulkReplay) -> Operation | Forecast:
        """Replay dead letters as an operation; a dry run returns the forecast instead."""
        return self._http.bulk("dlq:replay", asked)

    def discard(self, asked: BulkDiscard) -> Operation | Forecast:
        """Discard dead letters as an operation; a dry run returns the forecast instead. Raises StateForbids: count."""
        return self._http.bulk("dlq:discard", asked)

    def classify(self, letter_id: str, failure_class: FailureClass, *, learn: bool = False) -> DeadLetterView:
        """Give a dead letter another class; learn: and all that come later with its fingerprint."""
        body = Reclassify(failure_class=failure_class, learn=learn).model_dump(mode="json")
        return self._http.ask(DeadLetterView, "POST", f"{path('dlq', letter_id)}:classify", json=body)

    def snooze(self, letter_id: str, until: datetime) -> DeadLetterView:
        """Put a dead letter aside until then."""
        body = Snooze(until=until).model_dump(mode="json")
        return self._http.ask(DeadLetterView, "POST", f"{path('dlq', letter_id)}:snooze", json=body)

    def export(self, which: DeadLetterFilter = ALL) -> Iterator[DeadLetterView]:
        """Yield all dead letters that match, as they are read; the gateway ends it at 100,000."""
        return self._http.lines(DeadLetterView, "dlq/export", _asked(which))


class Rules:
    """The rules that overrule the classifier."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def all(self) -> list[Rule]:
        """Return all rules, the oldest first."""
        return self._http.ask(Items[Rule], "GET", "dlq/rules").items

    def add(self, new: NewRule) -> Rule:
        """Make a rule; it holds for failures to come."""
        return self._http.ask(Rule, "POST", "dlq/rules", json=new.model_dump(mode="json"))

    def remove(self, rule_id: str) -> None:
        """Remove a rule. Raises NothingThere."""
        self._http.fetch("DELETE", path("dlq", "rules", rule_id), MAX_PROBLEM)

    def test(self, new: NewRule) -> RuleTest:
        """Return what a rule would match among the dead letters there are, without making it."""
        return self._http.ask(RuleTest, "POST", "dlq/rules:test", json=new.model_dump(mode="json"))


def _asked(which: DeadLetterFilter) -> dict[str, str]:
    asked = which.model_dump(mode="json", exclude_none=True, exclude={"failure_class"})
    return given(**asked, **{"class": which.failure_class})
