"""Dead letters as they come in: each is written exactly once, and ends the step of which nobody will hear again.

An entry of the stream may come twice, after a crash between commit and deletion: its id is kept in the letter that it
made, or that it was merged into. The letters of one step in one run are one letter, and `count` says how many it was;
so are those that anybody may have made (`store.piles`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, and_, insert, select, text, update

from shared import dlq
from shared.contracts.dead_letter import (
    BY_ANYBODY,
    MAX_SAMPLE,
    UNVERIFIED,
    DeadLetterEntry,
    DeadLetterState,
    Reason,
    Rule,
)
from shared.contracts.events import Event
from shared.contracts.job import Failure, JobState, StageName, StepState
from shared.errors import FailureClass
from shared.ids import new_id, now
from shared.store import audit, dlq_rules, jobs, ledger, piles
from shared.store.dead_letters import ASIDE
from shared.store.dlq_rules import Facts
from shared.store.piles import Piles
from shared.store.step import STAGES
from shared.store.tables import dead_letters as letters
from shared.store.tables import jobs as all_jobs
from shared.store.tables import steps

BATCH = 100  # entries of one transaction, and so at most those that may come a second time
ACTOR = "system:ingester"  # in the audit
NOBODY = "local"  # the organisation of what names no job
_TURN = 0x56444C51  # of PostgreSQL's advisory locks: one ingester at a time


@dataclass(frozen=True)
class Arrival:
    """An entry of the stream that could be read. run: of the job, as the message says; 0: it does not."""

    stream_id: str
    entry: DeadLetterEntry
    raw: bytes
    run: int = 0


@dataclass
class TakenIn:
    """What was written: how many letters are new, what is to be told, and the last stages that must be sent.

    alarms: new letters of class `security`.  unverified: by reason, messages that this installation has not sent so.
    """

    new: int = 0
    merged: int = 0
    alarms: list[str] = field(default_factory=list)
    unverified: Counter[str] = field(default_factory=Counter)
    events: list[Event] = field(default_factory=list)
    untold: list[tuple[str, StageName]] = field(default_factory=list)


def take_in(connection: Connection, arrivals: Sequence[Arrival]) -> TakenIn:
    """Write the letters that are not there yet, and what follows from them."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_TURN})"))
    desk = _Desk(connection, arrivals)
    done = TakenIn()
    for arrival in arrivals:
        desk.take(arrival, done)
    dlq_rules.count_hits(connection, desk.hits)
    desk.tell()
    return done


class _Desk:
    """Reads once what the arrivals of a batch need, and writes them one after the other."""

    def __init__(self, connection: Connection, arrivals: Sequence[Arrival]) -> None:
        self._connection = connection
        self._jobs = _jobs(connection, {each.entry.job_id for each in arrivals if each.entry.job_id})
        self._letters = _letters(connection, set(self._jobs))
        self._seen = _seen(connection, [each.stream_id for each in arrivals])
        self._piles = Piles(connection, (each.entry for each in arrivals if each.entry.reason in BY_ANYBODY))
        self._rules: dict[str, list[Rule]] = {}
        self.hits: dict[str, int] = {}
        self._refused: list[dict[str, Any]] = []

    def take(self, arrival: Arrival, done: TakenIn) -> None:
        if arrival.entry.reason in BY_ANYBODY:
            self._pile(arrival, done)
            return
        job = self._job(arrival.entry)
        known = self._letters.get(job["id"], []) if job else []
        if arrival.stream_id not in self._seen and not any(arrival.stream_id in each["merged"] for each in known):
            run = arrival.run or (job["run"] if job else 1)
            same = [each for each in known if _is_same(each, arrival.entry, run)]
            if same and arrival.entry.stage:
                self._merge(arrival, same[-1])
                done.merged += 1
            else:
                self._write(arrival, job, run, done)
        self._bury(arrival, job, done)

    def tell(self) -> None:
        """Write what was piled up, and into the audit what security refused.

        The audit last, in one order: who holds its heads waits for none.
        """
        self._piles.write()
        for row in sorted(self._refused, key=lambda row: str(row["org_id"])):
            said = {"code": row["code"], "message": row["message"], "job_id": row["job_id"], "stage": row["stage"]}
            audit.add(self._connection, row["org_id"], ACTOR, "security.refused", f"dead-letter:{row['id']}", **said)

    def _job(self, entry: DeadLetterEntry) -> dict[str, Any] | None:
        job = self._jobs.get(entry.job_id or "")
        return job if job and entry.org_id in {None, "", job["org_id"]} else None

    def _pile(self, arrival: Arrival, done: TakenIn) -> None:
        entry, stream_id = arrival.entry, arrival.stream_id
        if stream_id in self._seen or self._piles.has(entry, stream_id):
            return
        if entry.reason in UNVERIFIED:
            done.unverified[entry.reason.value] += 1
        if self._piles.add(entry, stream_id):
            done.merged += 1
        else:
            sample = replace(arrival, entry=self._piles.sample(entry), raw=arrival.raw[:MAX_SAMPLE])
            self._piles.begin(self._write(sample, None, 1, done))

    def _write(self, arrival: Arrival, job: dict[str, Any] | None, run: int, done: TakenIn) -> dict[str, Any]:
        org_id = job["org_id"] if job else NOBODY
        row = _row(arrival, job, run)
        row["fingerprint"] = _fingerprint(row, arrival.entry, job)
        if rule := self._rule(org_id, Facts(row["fingerprint"], row["stage"] or "", arrival.entry.error)):
            self.hits[rule.id] = self.hits.get(rule.id, 0) + 1
            row |= {"failure_class": rule.failure_class, "rule": dlq_rules.told(rule)}
        row["replay_of"] = self._replayed(row)
        self._connection.execute(insert(letters), row)
        if job:
            self._letters.setdefault(job["id"], []).append({**row, "merged": []})
        done.new += 1
        if row["failure_class"] is FailureClass.SECURITY:
            self._refused.append(row)
            done.alarms.append(row["id"])
        return row

    def _merge(self, arrival: Arrival, letter: dict[str, Any]) -> None:
        entry = arrival.entry
        letter["merged"] = [*letter["merged"], arrival.stream_id][-2 * BATCH :]
        letter["count"] += 1
        letter["deliveries"] = max(letter["deliveries"], entry.deliveries)
        letter["is_poison"] = letter["is_poison"] or entry.reason is Reason.POISON
        if letter["is_poison"] and letter["state"] in {DeadLetterState.OPEN, DeadLetterState.SNOOZED}:
            letter["state"] = DeadLetterState.QUARANTINED
        changed = {name: letter[name] for name in ("count", "deliveries", "is_poison", "state")}
        values = {
            "error": {**letter["error"], "merged": letter["merged"]},
            "last_failed_at": entry.at or now(),
        }
        self._connection.execute(update(letters).where(letters.c.id == letter["id"]).values(**changed, **values))

    def _bury(self, arrival: Arrival, job: dict[str, Any] | None, done: TakenIn) -> None:
        """End the step, where the worker could not. Whether the last stage must be sent is asked even the second time:
        between the commit and the sending lies an instant."""
        entry = arrival.entry
        if job is None or entry.stage is None or entry.reason is Reason.STAGE_FAILED:
            return
        told = ledger.bury(self._connection, job["id"], job["org_id"], entry.stage, _failure(entry), run=arrival.run)
        done.events += told
        if entry.stage is not STAGES[-1] and not entry.part and _is_untold(self._connection, job["id"], entry.stage):
            done.untold.append((job["id"], STAGES[-1]))

    def _rule(self, org_id: str, facts: Facts) -> Rule | None:
        if org_id not in self._rules:
            self._rules[org_id] = dlq_rules.all_of(self._connection, org_id)
        return dlq_rules.decide(self._rules[org_id], facts)

    def _replayed(self, row: dict[str, Any]) -> str | None:
        """Return the letter whose replay has now failed again: its step was not passed, or we would not be here."""
        if not row["job_id"] or not row["stage"]:
            return None
        earlier = [
            each
            for each in self._letters.get(row["job_id"], [])
            if (each["run"] < row["run"] or row["part"])
            and each["part"] == row["part"]
            and each["stage"]
            and STAGES.index(StageName(row["stage"])) <= STAGES.index(StageName(each["stage"]))
            and each["state"] in {DeadLetterState.REPLAYING, DeadLetterState.REPLAYED}
        ]
        return earlier[-1]["id"] if earlier else None


def _fingerprint(row: dict[str, Any], entry: DeadLetterEntry, job: dict[str, Any] | None) -> str:
    if entry.reason in BY_ANYBODY:
        return piles.fingerprint(entry)
    names = jobs.names_of(job["target"], job["request"]) if job else ()
    where = row["stage"] or row["task"] or row["queue"]
    return dlq.fingerprint(where, entry.error, reason=row["reason"], names=names)


def _is_same(letter: dict[str, Any], entry: DeadLetterEntry, run: int) -> bool:
    """Whether a letter is of the same failure. A report is ordered again in the same run, so there its state counts."""
    is_of_step = (letter["stage"], letter["part"], letter["run"]) == (entry.stage, entry.part, run)
    return is_of_step and (not entry.part or letter["state"] in ASIDE)


def _row(arrival: Arrival, job: dict[str, Any] | None, run: int) -> dict[str, Any]:
    entry = arrival.entry
    state, note = _state(entry, job, run)
    at = entry.at or now()
    trace = entry.traceparent.split("-")
    return {
        "id": new_id(),
        "org_id": job["org_id"] if job else NOBODY,
        "job_id": job["id"] if job else None,
        "stage": entry.stage,
        "part": entry.part[:64],
        "target": job["target"] if job else "",
        "target_kind": job["kind"] if job else "",
        "queue": entry.queue[:64],
        "task": entry.task[:255],
        "task_id": entry.task_id[:255],
        "reason": entry.reason,
        "failure_class": entry.failure_class,
        "rule": entry.rule,
        "is_poison": entry.reason is Reason.POISON,
        "state": state,
        "error_type": entry.error.type[:255],
        "code": entry.error.code[:64],
        "message": entry.error.message,
        "error": entry.error.model_dump(mode="json"),
        "count": 1,
        "deliveries": entry.deliveries,
        "retries": entry.retries,
        "run": run,
        "worker": entry.worker[:255],
        "memory_bytes": entry.memory_bytes,
        "trace_id": trace[1][:32] if len(trace) == 4 else (job["trace_id"] if job else ""),
        "traceparent": entry.traceparent[:64],
        "versions": entry.versions,
        "raw": arrival.raw,
        "stream_id": arrival.stream_id[:32],
        "note": note,
        "first_failed_at": at,
        "last_failed_at": at,
        "ended_at": now() if note else None,
    }


def _state(entry: DeadLetterEntry, job: dict[str, Any] | None, run: int) -> tuple[DeadLetterState, str]:
    if job and job["cancelled_at"] and job["state"] in {JobState.CANCELLED, JobState.CANCELLING}:
        return DeadLetterState.DISCARDED, "The job was cancelled."
    if job and run < job["run"]:
        return DeadLetterState.REPLAYED, "The job was revived before this letter came in."
    return (DeadLetterState.QUARANTINED if entry.reason is Reason.POISON else DeadLetterState.OPEN), ""


def _failure(entry: DeadLetterEntry) -> Failure:
    error = entry.error
    return Failure(
        code=error.code or entry.reason.value,
        failure_class=FailureClass(entry.failure_class),
        message=error.message or f"The message of the {entry.stage} stage became a dead letter: {entry.reason}.",
        cure=error.cure or "Look at it: vedette dlq list",
        stage=entry.stage or "",
        part=entry.part,
        attempt=max(entry.retries + 1, 1),
        is_dead=entry.reason is not Reason.TASK_FAILED,
    )


def _is_untold(connection: Connection, job_id: str, failed: StageName) -> bool:
    """Whether the stage failed, and the last one waits to tell of it."""
    both = and_(steps.c.job_id == job_id, steps.c.part == "", steps.c.stage.in_([failed, STAGES[-1]]))
    states = {row.stage: row.state for row in connection.execute(select(steps.c.stage, steps.c.state).where(both))}
    return states.get(failed) == StepState.FAILED and states.get(STAGES[-1]) == StepState.PENDING


def _jobs(connection: Connection, ids: set[str]) -> dict[str, dict[str, Any]]:
    names = ("id", "org_id", "target", "kind", "request", "run", "trace_id", "state", "cancelled_at")
    query = select(*(all_jobs.c[name] for name in names)).where(all_jobs.c.id.in_(ids))
    return {row["id"]: dict(row) for row in connection.execute(query).mappings()}


def _letters(connection: Connection, job_ids: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the letters that jobs have, in the order of their coming."""
    names = ("id", "job_id", "stage", "part", "run", "state", "count", "is_poison", "deliveries", "error")
    query = select(*(letters.c[name] for name in names)).where(letters.c.job_id.in_(job_ids)).order_by(letters.c.id)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in connection.execute(query).mappings():
        found.setdefault(row["job_id"], []).append({**row, "merged": row["error"].get("merged", [])})
    return found


def _seen(connection: Connection, stream_ids: Sequence[str]) -> set[str]:
    query = select(letters.c.stream_id).where(letters.c.stream_id.in_(stream_ids))
    return {str(found) for found in connection.execute(query).scalars()}
