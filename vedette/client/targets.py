"""Targets over HTTP: what would become of them, and the rules about what may be scanned."""

from __future__ import annotations

from collections.abc import Sequence

from shared.contracts.scan_rule import NewScanRule, ScanRule, TargetVerdict
from shared.contracts.target import TargetModel
from vedette.client.http import MAX_PROBLEM, Http, Items, path


class Targets:
    """What the client can do with targets without scanning them."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self.rules = ScanRules(http)

    def check(self, targets: Sequence[TargetModel]) -> list[TargetVerdict]:
        """Return what a submission would say of each single target. Nothing is scanned."""
        body = {"targets": [target.model_dump(mode="json") for target in targets]}
        return self._http.ask(Items[TargetVerdict], "POST", "./targets:check", json=body).items


class ScanRules:
    """The rules of the organisation about what it may scan."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def all(self) -> list[ScanRule]:
        """Return all rules, also expired ones, the oldest first."""
        return self._http.ask(Items[ScanRule], "GET", "scan-rules").items

    def add(self, new: NewScanRule) -> ScanRule:
        """Make a rule; it holds for submissions and scans that begin from now on."""
        return self._http.ask(ScanRule, "POST", "scan-rules", json=new.model_dump(mode="json"))

    def remove(self, rule_id: str) -> None:
        """Remove a rule. Raises NothingThere."""
        self._http.fetch("DELETE", path("scan-rules", rule_id), MAX_PROBLEM)
