"""What an organisation may use: jobs per hour, jobs at once, targets of a submission.

Who asks while there is a limit holds the row of the organisation, so that two that ask at once cannot share a place.
A job without a place is `held`: it waits in the store, unpublished, until `release` gives it one: to whom has the
fewest jobs under way first. Only indexes with a row per job of the hour, under way or held are read. ADR 0026.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, func, literal, select, update

from shared.contracts.job import JobState
from shared.contracts.limits import Limits, Quota, Use
from shared.errors import Permanent, Temporary
from shared.ids import first_id, now
from shared.settings import settings
from shared.store.identity.members import MemberNotFound
from shared.store.tables import jobs, members, organisations
from shared.text import clock, plural

HOUR = timedelta(hours=1)
AT_ONCE = 500  # jobs that get a place in one transaction
SHOWN = 10_000  # held jobs are counted no further
_UNDER_WAY = (jobs.c.finished_at.is_(None), jobs.c.held_at.is_(None))
_HELD = (jobs.c.finished_at.is_(None), jobs.c.held_at.is_not(None))


class TooManyTargets(Permanent):
    """A submission stands for more targets than the organisation may submit at once."""


class QuotaExceeded(Temporary):
    """As many jobs as allowed were submitted within an hour."""

    status = 429

    def __init__(self, message: str, *, cure: str = "", retry_after_s: float = 60.0) -> None:
        super().__init__(message, cure=cure)
        self.headers = {"Retry-After": str(max(1, round(retry_after_s)))}


@dataclass(frozen=True)
class Held:
    """The limits of an organisation, and by user id those of its members that have any.

    own: what is set for it.  org: the same, filled up with what holds for all.
    """

    own: Limits
    org: Limits
    members: Mapping[str, Limits] = field(default_factory=dict)

    @property
    def bounds_concurrency(self) -> bool:
        return any(each.concurrent_jobs is not None for each in (self.org, *self.members.values()))


def limits(connection: Connection, org_id: str) -> Held:
    """Return what holds for an organisation and its members."""
    own = connection.execute(select(organisations.c.limits).where(organisations.c.id == org_id)).scalar_one_or_none()
    rows = connection.execute(select(members.c.user_id, members.c.limits).where(members.c.org_id == org_id))
    bounded = {row.user_id: Limits.model_validate(row.limits) for row in rows if row.limits}
    set_here = Limits.model_validate(own or {})
    return Held(set_here, set_here.over(defaults()), bounded)


def defaults() -> Limits:
    """Return what holds where an organisation sets nothing."""
    names = list(Limits.model_fields)
    return Limits(**{name: getattr(settings(), name) for name in names})


def admit(connection: Connection, org_id: str, whose: str, count: int) -> None:
    """Let `count` more jobs in. whose: they are counted for. Raises TooManyTargets, QuotaExceeded."""
    held = limits(connection, org_id)
    mine = held.members.get(whose, Limits())
    for own, called in ((held.org, "the organisation"), (mine, "you")):
        if own.targets_per_batch is not None and count > own.targets_per_batch:
            raise TooManyTargets(
                f"{count} targets are more than {called} may submit at once: {own.targets_per_batch}.",
                cure="Send several submissions.",
            )
    if held.org.jobs_per_hour is not None:
        _lock(connection, org_id)
        _admit_hour(connection, held.org.jobs_per_hour, count, "the organisation", jobs.c.org_id == org_id)
    if mine.jobs_per_hour is not None:
        _lock(connection, org_id)
        theirs = (jobs.c.org_id == org_id, jobs.c.counted_for == whose)
        _admit_hour(connection, mine.jobs_per_hour, count, "you", *theirs)


def queue(connection: Connection, new: Sequence[tuple[str, str]]) -> None:
    """Give jobs (organisation, id) that may begin a place, or hold them back where there is none."""
    for org_id in sorted({org_id for org_id, _ in new}):
        if limits(connection, org_id).bounds_concurrency:
            _lock(connection, org_id)
            ids = [job_id for whose, job_id in new if whose == org_id]
            connection.execute(update(jobs).where(jobs.c.id.in_(ids)).values(held_at=now()))
            release(connection, org_id)


def holding(connection: Connection) -> list[str]:
    """Return the organisations with jobs that are held back."""
    found: list[str] = []
    while org_id := connection.execute(
        select(func.min(jobs.c.org_id)).where(*_HELD, jobs.c.org_id > (found[-1] if found else ""))
    ).scalar():
        found.append(org_id)
    return found


def release(connection: Connection, org_id: str) -> list[str]:
    """Give places that are free to jobs that are held back; return their ids. They are submitted after the commit."""
    _lock(connection, org_id)
    held = limits(connection, org_id)
    active = _active(connection, org_id)
    room = AT_ONCE
    if held.org.concurrent_jobs is not None:
        room = min(AT_ONCE, held.org.concurrent_jobs - active.total())
    waiting = {whose: _waiting(connection, org_id, whose, room) for whose in _those_who_wait(connection, org_id)}
    chosen = _fair(held, active, waiting, room)
    if chosen:
        connection.execute(update(jobs).where(jobs.c.id.in_(chosen)).values(held_at=None))
    return chosen


def view(connection: Connection, org_id: str, whose: str) -> Quota:
    """Return the limits that hold for an organisation and a member, and what is used of them."""
    held = limits(connection, org_id)
    mine = held.members.get(whose, Limits())
    since = now() - HOUR
    most = max(SHOWN, held.org.jobs_per_hour or 0)
    hour = _count(connection, most, jobs.c.org_id == org_id, jobs.c.id >= first_id(since))
    oldest = connection.execute(
        select(jobs.c.created_at)
        .where(jobs.c.org_id == org_id, jobs.c.id >= first_id(since))
        .order_by(jobs.c.id)
        .limit(1)
    ).scalar()
    return Quota(
        own=held.own,
        jobs_per_hour=_use(held.org.jobs_per_hour, hour),
        concurrent_jobs=_use(held.org.concurrent_jobs, _active(connection, org_id).total()),
        targets_per_batch=held.org.targets_per_batch,
        requests_per_minute=mine.within(held.org).requests_per_minute,
        waiting=_count(connection, SHOWN, jobs.c.org_id == org_id, *_HELD),
        next_at=oldest + HOUR if oldest else None,
    )


def change(connection: Connection, org_id: str, own: Limits) -> None:
    """Set the limits of an organisation."""
    values = own.model_dump(exclude_none=True)
    connection.execute(update(organisations).where(organisations.c.id == org_id).values(limits=values))


def of_member(connection: Connection, org_id: str, user_id: str) -> Limits:
    """Return the limits of one member. Raises MemberNotFound."""
    mine = (members.c.org_id == org_id, members.c.user_id == user_id)
    row = connection.execute(select(members.c.limits).where(*mine)).one_or_none()
    if row is None:
        raise MemberNotFound("There is no member with this id.", cure="List them: vedette orgs members")
    return Limits.model_validate(row.limits)


def change_member(connection: Connection, org_id: str, user_id: str, own: Limits) -> None:
    """Set the limits of one member."""
    mine = (members.c.org_id == org_id, members.c.user_id == user_id)
    connection.execute(update(members).where(*mine).values(limits=own.model_dump(exclude_none=True)))


def places(connection: Connection, org_id: str) -> tuple[int, int | None]:
    """Return how many jobs of an organisation are under way, and how many may be."""
    return _active(connection, org_id).total(), limits(connection, org_id).org.concurrent_jobs


def _lock(connection: Connection, org_id: str) -> None:
    connection.execute(select(organisations.c.id).where(organisations.c.id == org_id).with_for_update())


def _admit_hour(connection: Connection, limit: int, count: int, called: str, *mine: ColumnElement[bool]) -> None:
    recent = (*mine, jobs.c.id >= first_id(now() - HOUR))
    used = _count(connection, 2 * limit, *recent)
    if used + count <= limit:
        return
    if count > limit:
        raise TooManyTargets(
            f"{plural(count, 'job')} are more than {called} may submit in an hour: {limit}.", cure="Submit fewer."
        )
    in_the_way = select(jobs.c.created_at).where(*recent).order_by(jobs.c.id).offset(used + count - limit - 1).limit(1)
    free_at: datetime = connection.execute(in_the_way).scalar_one() + HOUR
    raise QuotaExceeded(
        f"{called.capitalize()} submitted {used} of {plural(limit, 'job')} in an hour; these would be {count} more.",
        cure=f"There is room for them at {clock(free_at)}. Ask an owner for more: vedette api GET quota",
        retry_after_s=(free_at - now()).total_seconds() + 1,
    )


def _active(connection: Connection, org_id: str) -> Counter[str]:
    """Return for whom how many jobs have a place. Scheduled ones need none."""
    query = select(jobs.c.counted_for, func.count().label("jobs")).where(jobs.c.org_id == org_id, *_UNDER_WAY)
    found = connection.execute(query.where(jobs.c.state != JobState.SCHEDULED.value).group_by(jobs.c.counted_for))
    return Counter({row.counted_for: row.jobs for row in found})


def _those_who_wait(connection: Connection, org_id: str) -> list[str]:
    """Return for whom jobs are held back: one step in the index for each."""
    mine = (jobs.c.org_id == org_id, *_HELD)
    found: list[str] = []
    first = select(func.min(jobs.c.counted_for)).where(*mine)
    whose = connection.execute(first).scalar()
    while whose is not None:
        found.append(whose)
        whose = connection.execute(first.where(jobs.c.counted_for > whose)).scalar()
    return found


def _waiting(connection: Connection, org_id: str, whose: str, room: int) -> list[str]:
    mine = (jobs.c.org_id == org_id, jobs.c.counted_for == whose, *_HELD, jobs.c.state == JobState.QUEUED.value)
    query = select(jobs.c.id).where(*mine).order_by(jobs.c.id).limit(max(room, 0))
    return list(connection.execute(query).scalars())


def _fair(held: Held, active: Counter[str], waiting: Mapping[str, list[str]], room: int) -> list[str]:
    """Return up to `room` of the waiting jobs: the next one is of those who have the fewest under way."""
    chosen: list[str] = []
    queues = {whose: list(reversed(ids)) for whose, ids in waiting.items() if ids}
    while queues and len(chosen) < room:
        whose = min(queues, key=lambda each: (active[each], queues[each][-1]))
        most = held.members.get(whose, Limits()).concurrent_jobs
        if most is not None and active[whose] >= most:
            del queues[whose]
            continue
        chosen.append(queues[whose].pop())
        active[whose] += 1
        if not queues[whose]:
            del queues[whose]
    return chosen


def _use(limit: int | None, used: int) -> Use:
    return Use(limit=limit, used=used, remaining=None if limit is None else max(limit - used, 0))


def _count(connection: Connection, most: int, *mine: ColumnElement[bool]) -> int:
    some = select(literal(1)).select_from(jobs).where(*mine).limit(most).subquery()
    return connection.execute(select(func.count()).select_from(some)).scalar_one()
