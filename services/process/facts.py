"""From observations to typed facts: the one place where stored data is checked before rules see it.

Data that does not fit its model never reaches a rule; it becomes a `Gap`, so that a report can say what was not judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import ValidationError

from shared import registry
from shared.contracts.job import Contract
from shared.contracts.observation import Evidence, Gap, GapReason, Observation

F_co = TypeVar("F_co", bound=Contract, covariant=True)


@dataclass(frozen=True)
class Fact(Generic[F_co]):
    """One observation whose data fits its model, with the raw evidence that rode along."""

    data: F_co
    subject: str
    evidence: tuple[Evidence, ...] = ()


def read(kind: str, observations: Sequence[Observation]) -> tuple[list[Fact[Contract]], list[Gap]]:
    """Return the facts of `observations`, and a gap for each one that is malformed or of an unknown type."""
    models: dict[str, type[Contract]] = registry.plugin("shared.contracts.kinds", kind).FACTS
    facts: list[Fact[Contract]] = []
    gaps: list[Gap] = []
    for seen in observations:
        if (model := models.get(seen.type)) is None:
            gaps.append(_gap(seen, GapReason.UNSUPPORTED, "no rule knows this type"))
            continue
        try:
            facts.append(Fact(model.model_validate(seen.data), seen.subject, tuple(seen.evidence)))
        except ValidationError as exc:
            gaps.append(_gap(seen, GapReason.ERROR, _first(exc)))
    return facts, gaps


def _gap(seen: Observation, reason: GapReason, why: str) -> Gap:
    return Gap(subject=seen.subject, reason=reason, detail=f"Observation of type {seen.type[:40]!r} not judged: {why}.")


def _first(exc: ValidationError) -> str:
    # The message of an error never repeats its input: the input is the target's, and may be large.
    error = exc.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(str(part) for part in error['loc'])}: {error['msg']}"[:300]
