"""Which dead letters a command acts on: named ones, those of a query, of a group, or all that are open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vedette.cli import recall
from vedette.cli.failure import Misused

if TYPE_CHECKING:
    from shared.contracts.dead_letter import Selection

MAX_IDS = 1000  # shared.contracts.dead_letter.MAX_IDS, which costs an import of pydantic


def of(ids: Sequence[str], query: str | None, group: str | None, *, everything: bool = False) -> Selection:
    """Return the selection. Raises Misused unless exactly one way was chosen."""
    from shared.contracts.dead_letter import Selection  # noqa: PLC0415

    pieces = list(dict.fromkeys(recall.piece(each, "a dead letter") for each in ids))
    if sum((bool(pieces), query is not None, group is not None, everything)) != 1:
        raise Misused(
            "Say which dead letters, in one way: ids, -q QUERY, --group-id FP or --all.",
            cure="See what there is: vedette dlq list --group",
        )
    if query is not None and not query.strip():
        raise Misused(
            "The query is empty: it would mean every dead letter.", cure="Say -q state:open, if you mean that."
        )
    if len(pieces) > MAX_IDS:
        raise Misused(f"{len(pieces)} ids are more than {MAX_IDS}.", cure="Select them by a query: -q QUERY")
    return Selection(ids=pieces, q=query, group=group, all=everything)
