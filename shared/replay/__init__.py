"""Replay: what became a dead letter goes on, at the step that failed.

A letter of a job revives the job in the ledger; its message is then sent as every job's first is. Nothing is sent
twice: of many who replay the same letter, one moves it from `open` to `replaying`, in the transaction that revives the
job. A crash after that commit leaves a job that is queued and not published, which the reconciler sends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import structlog

from shared import bus
from shared.broker.client import BrokerAway
from shared.contracts.dead_letter import Forecast, Replay, ReplayMode, Selection, Verdict
from shared.errors import Conflict, Infrastructure, NotFound
from shared.pipeline import resend, submit
from shared.replay import plan
from shared.replay.plan import Plan, Surroundings
from shared.store import dead_letters, ledger, orders, plugins, refusals, replaying, revival
from shared.store.engine import Connection, reading, writing
from shared.store.ledger import Key
from shared.store.replaying import Candidate
from shared.store.revival import Reopened, Revival
from shared.store.step import STAGES

log = structlog.get_logger()

BATCH = 200  # letters of one transaction


def forecast(org_id: str, selection: Selection, how: Replay) -> Forecast:
    """Return what a replay of a selection would do, without doing it. Raises query.QueryWrong."""
    counts: Counter[str] = Counter()
    samples: dict[str, Verdict] = {}
    around = plan.surroundings(org_id)
    for ids in _chosen(org_id, selection):
        for verdict in _Batch(org_id, ids, how, is_alone=len(selection.ids) == 1, around=around).verdicts():
            counts[verdict.code] += 1
            samples.setdefault(verdict.code, verdict)
    ok = counts.pop("ok", 0)
    return Forecast(total=ok + counts.total(), ok=ok, refused=dict(counts), samples=list(samples.values()))


def replay(org_id: str, ids: Sequence[str], how: Replay, by: str, *, operation_id: str | None = None) -> list[Verdict]:
    """Replay dead letters; the verdicts stand in the order of `ids`. Nothing is sent twice, whoever else does the same.

    A broker that is away is no failure: what was revived is sent when it is back. Raises NoConsumer, for an operation
    alone; others get a verdict.
    """
    made: list[Verdict] = []
    around = plan.surroundings(org_id)
    is_alone = len(ids) == 1 and operation_id is None
    for start in range(0, len(ids), BATCH):
        some = ids[start : start + BATCH]
        try:
            made += _Batch(org_id, some, how, is_alone=is_alone, around=around).replay(by, operation_id)
        except JobsChanged:  # what was checked is not what is there any more: nothing was done yet
            made += _Batch(org_id, some, how, is_alone=is_alone, around=around).replay(by, operation_id)
    return made


def _chosen(org_id: str, selection: Selection) -> Iterator[list[str]]:
    after = ""
    while True:
        with reading(org_id) as connection:
            ids = dead_letters.ids(connection, org_id, selection, after=after, limit=BATCH)
        if not ids:
            return
        yield ids
        after = ids[-1]


class NoConsumer(Infrastructure):
    """Nobody takes from a queue that letters of an operation are for. Workers restart; the operation can wait."""


class JobsChanged(Conflict):
    """Somebody revived a job, and it failed again, between the check and the replay."""


class _Batch:
    """Dead letters that are replayed in one transaction: those that can be have a plan, the others a verdict."""

    def __init__(self, org_id: str, ids: Sequence[str], how: Replay, *, is_alone: bool, around: Surroundings) -> None:
        self._org_id, self._ids, self._how = org_id, list(dict.fromkeys(ids)), how
        with reading(org_id) as connection:
            found = replaying.candidates(connection, org_id, self._ids)
        self._refused = {each: plan.gone(each) for each in self._ids if each not in found}
        self._plans: dict[str, Plan] = {}
        for letter in found.values():
            try:
                self._plans[letter.id] = _known(plan.made(letter, how, around, is_alone=is_alone), how)
            except plan.Refused as exc:
                self._refuse(letter, exc)
        self._forbidden: list[tuple[str, str]] = []
        for letter_id, why in plan.forbidden(self._plans.values(), around).items():
            plan_of_it = self._plans.pop(letter_id)
            self._refuse(plan_of_it.letter, why)
            if why.rule:
                self._forbidden.append((why.rule, f"job:{plan_of_it.job_id}"))

    def verdicts(self) -> list[Verdict]:
        """Return how it stands with each, in the order of the ids."""
        return [
            self._refused.get(each) or Verdict(id=each, job_id=self._plans[each].letter.job_id, ok=True)
            for each in self._ids
        ]

    def replay(self, by: str, operation_id: str | None) -> list[Verdict]:
        """Replay those that have a plan. Raises NoConsumer, before anything is done, where an operation can wait."""
        if self._forbidden:
            refusals.note(self._org_id, by, "target.refused", "replay", self._forbidden)
        idle = [verdict for verdict in self._refused.values() if verdict.code == plan.NO_CONSUMER]
        if operation_id and idle:
            raise NoConsumer(idle[0].detail, cure="Start a worker, or stop the operation: vedette operations stop")
        if not self._plans:
            return self.verdicts()
        with writing(self._org_id) as connection:
            revived = self._revive(connection, by, operation_id)
        bus.publish([event for each in revived.values() for event in each.events])
        away = self._send(revived)
        log.info("dlq.replayed", letters=len(revived), refused=len(self._refused), by=by, mode=self._how.mode)
        return [
            verdict.model_copy(update={"detail": away}) if verdict.ok and away else verdict
            for verdict in self.verdicts()
        ]

    def _revive(self, connection: Connection, by: str, operation_id: str | None) -> dict[str, Reopened]:
        """Claim the letters and reopen their jobs; the earliest stage first, since of the same job twice one wins."""
        claimed = replaying.claim(
            connection, self._org_id, [each.letter for each in self._plans.values()], operation_id
        )
        for letter_id in self._plans.keys() - claimed:
            self._refuse(self._plans.pop(letter_id).letter, plan.Refused("wrong-state", "Somebody else was faster."))
        of_jobs = [each for each in self._plans.values() if not each.letter.part]
        order = sorted(of_jobs, key=lambda each: (STAGES.index(each.begins), each.letter.id))
        wanted = [Revival(each.job_id, each.first) for each in order]
        revived: dict[str, Reopened] = {}
        for each, reopened in zip(order, revival.reopen_many(connection, wanted, by=by, why="replay"), strict=True):
            if isinstance(reopened, Reopened):
                if (reopened.run, reopened.first) != (each.letter.run + 1, each.begins):
                    raise JobsChanged(f"Job {each.job_id} changed meanwhile.", cure="Try again.")
                revived[each.letter.id] = _adapted(connection, each, reopened, self._how)
            else:
                self._give_up(connection, each, reopened)
        if self._how.mode is ReplayMode.SKIP:
            replaying.note_skipped(connection, list(revived))
        return revived | self._order(connection, by)

    def _order(self, connection: Connection, by: str) -> dict[str, Reopened]:
        """Order the reports anew that were ordered and not made; their jobs stay as they are."""
        ordered: dict[str, Reopened] = {}
        for each in [each for each in self._plans.values() if each.letter.part]:
            try:
                placed = orders.place(connection, each.job_id, each.letter.part, by, is_bounded=False)
            except (NotFound, Conflict) as exc:
                self._give_up(connection, each, exc)
            else:
                ordered[each.letter.id] = Reopened(
                    each.job_id, self._org_id, each.begins, each.letter.run, placed.events
                )
        return ordered

    def _give_up(self, connection: Connection, given_up: Plan, why: Conflict | NotFound) -> None:
        replaying.release(connection, [given_up.letter])
        self._refuse(self._plans.pop(given_up.letter.id).letter, plan.Refused(why.code, why.message))

    def _send(self, revived: dict[str, Reopened]) -> str:
        """Send the jobs on their way; return why that must wait, if it must."""
        try:
            parts = {letter_id: self._plans[letter_id].letter.part for letter_id in revived}
            submit([each.job_id for letter_id, each in revived.items() if not parts[letter_id]])
            resend([(revived[each].job_id, revived[each].first, part) for each, part in parts.items() if part])
        except BrokerAway as exc:
            return exc.message
        with writing(self._org_id) as connection:
            replaying.note_sent(connection, list(revived))
        return ""

    def _refuse(self, letter: Candidate, why: plan.Refused) -> None:
        self._refused[letter.id] = Verdict(
            id=letter.id, job_id=letter.job_id, ok=False, code=why.code, detail=why.detail
        )


def _known(made: Plan, how: Replay) -> Plan:
    """Return the plan. Raises plan.Refused where it was edited to something that no worker knows."""
    if made.edit and {"reports", "notify"} & how.changes.keys():
        with reading() as connection:
            gone = plugins.lacking(connection, made.edit.options)
        if gone:
            raise plan.Refused("changes-invalid", f"No worker has started that knows {', '.join(gone)}.")
    return made


def _adapted(connection: Connection, each: Plan, reopened: Reopened, how: Replay) -> Reopened:
    """Make of a job that was reopened what the mode wants."""
    if each.edit:
        replaying.edit(connection, each.job_id, reopened.org_id, each.edit)
    if each.lane:
        replaying.reroute(connection, each.job_id, each.lane)
    if how.mode is not ReplayMode.SKIP:
        return reopened
    key = Key(each.job_id, reopened.org_id, reopened.first, run=reopened.run)
    told = ledger.skip(connection, key, summary=how.result or "taken as done")
    return replace(reopened, events=[*reopened.events, *told])
