"""What is scanned. Each kind has one model: `Target`, a subclass of `TargetModel`, in `contracts/kinds/<kind>.py`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from shared.contracts.job import Written


class TargetModel(Written, ABC):
    """Parent of the kinds' request models. A subclass narrows `kind` to its own literal."""

    kind: str

    @property
    @abstractmethod
    def label(self) -> str:
        """What people call this target, e.g. `db.example.org`."""

    @property
    @abstractmethod
    def hosts(self) -> list[str]:
        """The names and addresses that a scan of this single target connects to; `shared.policy` judges all of them."""

    @property
    def named_ports(self) -> list[int]:
        """The ports that the target itself names; empty where its kind has none, or something else decides them."""
        return []

    @property
    def key(self) -> str:
        """Identity of the target over time: two jobs with the same key are compared with one another."""
        return f"{self.kind}:{self.label.lower()}"

    def expand(self) -> list[Self]:
        """Return the single targets that this one stands for: a network is its addresses. Raises InvalidInput."""
        return [self]
