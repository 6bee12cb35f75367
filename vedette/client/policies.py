"""Retry policies over HTTP: what holds for each class of failures, and what is to hold instead."""

from __future__ import annotations

from shared.contracts.policy import PolicyChange, PolicyView
from shared.errors import FailureClass
from vedette.client.http import Http, Items, path


class Policies:
    """What the client can do with retry policies."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def all(self) -> list[PolicyView]:
        """Return the policy of every class."""
        return self._http.ask(Items[PolicyView], "GET", "policies").items

    def get(self, failure_class: FailureClass) -> PolicyView:
        """Return the policy of one class."""
        return self._http.ask(PolicyView, "GET", path("policies", failure_class))

    def change(self, failure_class: FailureClass, to: PolicyChange) -> PolicyView:
        """Have another policy hold from now on."""
        return self._http.ask(PolicyView, "PUT", path("policies", failure_class), json=to.model_dump(mode="json"))

    def reset(self, failure_class: FailureClass) -> PolicyView:
        """Have the default hold again."""
        return self._http.ask(PolicyView, "DELETE", path("policies", failure_class))
