"""From what people write to a job, an operation, a dead letter: a full id, or a piece that only one of them has."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Annotated

from fastapi import Path

from gateway.auth import Caller
from shared.errors import Conflict, NotFound
from shared.store import alerts, batches, dead_letters, dlq_rules, jobs, operations, pieces, scan_rules, weaknesses
from shared.store.engine import Connection

_PIECE = re.compile(r"[0-9a-f-]{4,36}")

Piece = Annotated[
    str, Path(alias="id", description="An id, or at least 4 characters of its beginning or end that are unique.")
]


class IdAmbiguous(Conflict):
    """Several things have this piece in their id. `extension` lists them."""

    def __init__(self, message: str, *, cure: str = "", candidates: Sequence[str] = ()) -> None:
        super().__init__(message, cure=cure)
        self.extension = {"candidates": list(candidates)}


class JobAmbiguous(IdAmbiguous):
    """Several jobs have it."""


class BatchAmbiguous(IdAmbiguous):
    """Several batches have it."""


class FindingAmbiguous(IdAmbiguous):
    """Several findings have it."""


class OperationAmbiguous(IdAmbiguous):
    """Several operations have it."""


class DeadLetterAmbiguous(IdAmbiguous):
    """Several dead letters have it."""


class AlertAmbiguous(IdAmbiguous):
    """Several alerts have it."""


class RuleAmbiguous(IdAmbiguous):
    """Several rules have it."""


def job_id(connection: Connection, caller: Caller, piece: str) -> str:
    """Return the id of the job of the caller's organisation. Raises jobs.JobNotFound or JobAmbiguous."""
    missing = jobs.JobNotFound("There is no job with this id.", cure="List them: vedette jobs list")
    return _only(jobs.ids_like, (connection, caller, piece), missing, JobAmbiguous, "jobs")


def batch_id(connection: Connection, caller: Caller, piece: str) -> str:
    """Return the id of the batch. Raises batches.BatchNotFound or BatchAmbiguous."""
    missing = batches.BatchNotFound("There is no batch with this id.", cure="List them: vedette batch list")
    return _only(batches.ids_like, (connection, caller, piece), missing, BatchAmbiguous, "batches")


def finding_id(connection: Connection, caller: Caller, piece: str) -> str:
    """Return the id of the finding. Raises weaknesses.FindingNotFound or FindingAmbiguous."""
    missing = weaknesses.FindingNotFound("There is no finding with this id.", cure="List them: vedette findings list")
    return _only(weaknesses.ids_like, (connection, caller, piece), missing, FindingAmbiguous, "findings")


def operation_id(connection: Connection, caller: Caller, piece: str) -> str:
    """Return the id of the operation. Raises operations.OperationNotFound or OperationAmbiguous."""
    missing = operations.OperationNotFound("There is no operation with this id.", cure="List: vedette operations list")
    return _only(operations.ids_like, (connection, caller, piece), missing, OperationAmbiguous, "operations")


def alert_id(connection: Connection, caller: Caller, piece: str) -> str:
    """Return the id of the alert, which is of no organisation. Raises alerts.AlertNotFound or AlertAmbiguous."""
    missing = alerts.AlertNotFound("There is no alert with this id.", cure="List them: vedette alerts list")
    return _only(_alerts_like, (connection, caller, piece), missing, AlertAmbiguous, "alerts")


def _alerts_like(connection: Connection, _org_id: str, piece: str) -> list[str]:
    return alerts.ids_like(connection, piece)


def letter_id(connection: Connection, caller: Caller, piece: str) -> str:
    """Return the id of the dead letter. Raises dead_letters.DeadLetterNotFound or DeadLetterAmbiguous."""
    missing = dead_letters.DeadLetterNotFound("There is no dead letter with this id.", cure="List: vedette dlq list")
    return _only(dead_letters.ids_like, (connection, caller, piece), missing, DeadLetterAmbiguous, "dead letters")


def rule_id(connection: Connection, caller: Caller, piece: str) -> str:
    """Return the id of the rule. Raises dlq_rules.RuleNotFound or RuleAmbiguous."""
    missing = dlq_rules.RuleNotFound("There is no rule with this id.", cure="List them: vedette dlq rules list")
    return _only(dlq_rules.ids_like, (connection, caller, piece), missing, RuleAmbiguous, "rules")


def scan_rule_id(connection: Connection, caller: Caller, piece: str) -> str:
    """Return the id of the scan rule. Raises scan_rules.ScanRuleNotFound or RuleAmbiguous."""
    missing = scan_rules.ScanRuleNotFound(
        "There is no scan rule with this id.", cure="List them: vedette targets rules list"
    )
    return _only(scan_rules.ids_like, (connection, caller, piece), missing, RuleAmbiguous, "rules")


def _only(
    find: Callable[[Connection, str, str], list[str]],
    asked: tuple[Connection, Caller, str],
    missing: NotFound,
    kind: type[IdAmbiguous],
    what: str,
) -> str:
    """Return the one id that has the piece. Raises `missing`, or `kind` where several have it."""
    connection, caller, piece = asked
    wanted = piece.lower()
    found = find(connection, caller.org_id, wanted) if _PIECE.fullmatch(wanted) else []
    if not found:
        raise missing
    if len(found) == 1:
        return found[0]
    more = " or more" if len(found) >= pieces.LIMIT else ""
    ends = ", ".join(each[-pieces.SEEN :] for each in found)
    raise kind(
        f"{len(found)}{more} {what} have {wanted} at an end of their id, the newest first: {ends}.",
        cure="Give more of the id, or one of these.",
        candidates=found,
    )
