"""What is decided about findings."""

from __future__ import annotations

from gateway import bulk, lookup
from gateway.auth import Caller
from gateway.bulk import CountDiffers
from shared.contracts.query import FINDINGS
from shared.contracts.weakness import MAX_TRIAGED, BulkTriage, FindingView, TriageChange, Triaged
from shared.errors import InvalidInput
from shared.store import audit, decisions, weaknesses
from shared.store.engine import Connection, writing
from shared.store.weaknesses import Which


class TooManyFindings(InvalidInput):
    """A decision is about more findings than one request may decide about."""


def triage(caller: Caller, piece: str, asked: TriageChange) -> FindingView:
    """Decide about one finding. Raises weaknesses.FindingNotFound."""
    with writing(caller.org_id) as connection:
        before = weaknesses.get(connection, caller.org_id, lookup.finding_id(connection, caller, piece))
        which = Which(ids=(before.id,))
        decisions.decide(connection, caller.org_id, _keys(connection, caller, which), asked, caller.actor)
        after = weaknesses.get(connection, caller.org_id, before.id)
        then = before.triage.model_dump(mode="json") if before.triage else None
        audit.add(
            connection,
            caller.org_id,
            caller.actor,
            "finding.triage",
            f"finding:{before.id}",
            before=then,
            after=asked.model_dump(mode="json"),
            address=caller.address,
        )
    return after


def triage_many(caller: Caller, asked: BulkTriage) -> Triaged:
    """Decide about many findings, all or none. Raises CountDiffers, TooManyFindings, and what is wrong with them."""
    bulk.check_query(asked.q, FINDINGS, "/q")
    with writing(caller.org_id) as connection:
        ids = bulk.whole_ids(asked.ids, lambda piece: lookup.finding_id(connection, caller, piece), "/ids")
        which = Which(asked.q or "", asked.all, tuple(ids))
        total = weaknesses.count(connection, caller.org_id, which)
        if asked.dry_run:
            return Triaged(total=total, dry_run=True)
        if total != asked.expect and not (asked.expect is None and ids):
            raise CountDiffers(total, asked.expect, "findings")
        decisions.decide(connection, caller.org_id, _keys(connection, caller, which), asked, caller.actor)
        after = asked.model_dump(mode="json", exclude={"dry_run", "expect"})
        audit.add(
            connection,
            caller.org_id,
            caller.actor,
            "finding.triage",
            "findings",
            total=total,
            after=after,
            address=caller.address,
        )
    return Triaged(total=total)


def _keys(connection: Connection, caller: Caller, which: Which) -> list[tuple[str, str]]:
    found = weaknesses.keys(connection, caller.org_id, which, limit=MAX_TRIAGED + 1)
    if len(found) > MAX_TRIAGED:
        raise TooManyFindings(f"These are more than {MAX_TRIAGED} findings.", cure="Narrow the query.", pointer="/q")
    return found
