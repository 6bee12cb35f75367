"""When a measurement becomes an alert, and when that is over: bounds apart, and both held for a while (hysteresis).

Nothing here reads a clock or a database: `control/alerts.py` measures and keeps.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from shared.contracts.alert import AlertRule, AlertSeverity

Key = tuple[AlertRule, str]  # rule and subject: of each there is one open alert at most


@dataclass(frozen=True)
class Bound:
    """It fires at `fires` or more for `hold_s`, and is over at `clears` or less for `calm_s`."""

    fires: float
    clears: float
    hold_s: float
    calm_s: float
    severity: AlertSeverity = AlertSeverity.WARNING


@dataclass(frozen=True)
class Reading:
    """What was measured of one subject, and what to say and to do if it is too much."""

    rule: AlertRule
    subject: str
    value: float
    summary: str
    cure: str

    @property
    def key(self) -> Key:
        return self.rule, self.subject


@dataclass(frozen=True)
class Change:
    """What becomes of alerts: those to open, those that still fire, and the keys of those that are over."""

    opened: Sequence[Reading] = ()
    standing: Sequence[Reading] = ()
    resolved: Sequence[Key] = ()


@dataclass
class Judge:
    """Remembers since when something has been too much, or well again."""

    bounds: Mapping[AlertRule, Bound]
    _since: dict[Key, float] = field(default_factory=dict)

    def judge(self, readings: Collection[Reading], firing: Collection[Key], at_s: float) -> Change:
        """Return what changes, given all that was measured now and which alerts are open.

        at_s: a clock that never goes back.  A subject that is no longer measured counts as well.
        """
        measured = {reading.key: reading for reading in readings}
        opened = [each for key, each in measured.items() if key not in firing and self._is_due(key, each.value, at_s)]
        resolved = [key for key in firing if self._is_over(key, measured.get(key), at_s)]
        self._since = {key: since for key, since in self._since.items() if key in measured or key in firing}
        for key in [*resolved, *(each.key for each in opened)]:
            self._since.pop(key, None)
        standing = [each for key, each in measured.items() if key in firing and key not in resolved]
        return Change(opened, standing, resolved)

    def _is_due(self, key: Key, value: float, at_s: float) -> bool:
        bound = self.bounds[key[0]]
        return self._has_held(key, value >= bound.fires, at_s, bound.hold_s)

    def _is_over(self, key: Key, reading: Reading | None, at_s: float) -> bool:
        bound = self.bounds[key[0]]
        return self._has_held(key, reading is None or reading.value <= bound.clears, at_s, bound.calm_s)

    def _has_held(self, key: Key, is_so: bool, at_s: float, for_s: float) -> bool:
        if not is_so:
            self._since.pop(key, None)
            return False
        return at_s - self._since.setdefault(key, at_s) >= for_s
