"""The tables. `migrations/` makes them; a test holds that both say the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

from shared import text


class Moment(TypeDecorator[datetime]):
    """A point in time, always UTC: SQLite forgets the zone, so it is put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        del dialect
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ANN401
        del dialect
        return value.replace(tzinfo=UTC) if value and value.tzinfo is None else value


class Line(TypeDecorator[str]):
    """A short text. What cannot be stored is replaced: see `shared.text`."""

    impl = String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        del dialect
        return None if value is None else text.kept(value)


class Prose(Line):
    """A text of any length."""

    impl = Text
    cache_ok = True


Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
Serial = BigInteger().with_variant(Integer, "sqlite")
Id = Line(36)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _job() -> Column[str]:
    return Column("job_id", Id, ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False)


jobs = Table(
    "jobs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org_id", Line(64), nullable=False),
    Column("batch_id", Id),
    Column("kind", Line(16), nullable=False),
    Column("target", Prose, nullable=False),
    Column("target_key", Prose, nullable=False),
    Column("request", Json, nullable=False),
    Column("profile", Line(16), nullable=False),
    Column("priority", Line(8), nullable=False),
    Column("lane", Line(32), nullable=False),
    Column("tags", Json, nullable=False),
    Column("state", Line(16), nullable=False),
    Column("trace_id", Line(32), nullable=False, default=""),
    Column("traceparent", Line(64), nullable=False, default=""),
    Column("score", Integer),
    Column("grade", Line(1)),
    Column("severities", Json, nullable=False, default=dict),
    Column("failure", Json),
    Column("created_at", Moment, nullable=False),
    Column("published_at", Moment),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("deadline_at", Moment),
    Column("due_at", Moment),
    Column("queued_at", Moment),
    Column("origin_id", Id),
    Column("run", Integer, nullable=False, default=1, server_default="1"),
    Column("cancelled_at", Moment),
    Column("cancelled_by", Line(255), nullable=False, default="", server_default=""),
    Index(None, "org_id", "id"),
    Index(
        "ix_jobs_open",
        "id",
        sqlite_where=Column("finished_at").is_(None),
        postgresql_where=Column("finished_at").is_(None),
    ),
    Index(None, "org_id", "target_key", "finished_at"),
    Index(None, "batch_id"),
    Index(
        "ix_jobs_unpublished",
        "created_at",
        sqlite_where=Column("published_at").is_(None),
        postgresql_where=Column("published_at").is_(None),
    ),
)

steps = Table(
    "steps",
    metadata,
    Column("job_id", Id, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("stage", Line(16), primary_key=True),
    Column("part", Line(64), primary_key=True),
    Column("state", Line(16), nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("retries", Integer, nullable=False, default=0),
    Column("lost", Integer, nullable=False, default=0),
    Column("delivery", Id, nullable=False, default=""),
    Column("message", Line(64), nullable=False, default="", server_default=""),
    Column("worker", Line(255), nullable=False, default=""),
    Column("summary", Prose, nullable=False, default=""),
    Column("progress", Json),
    Column("failure", Json),
    Column("ready_at", Moment),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Column("next_attempt_at", Moment),
    Column("resent", Integer, nullable=False, default=0, server_default="0"),
)

events = Table(
    "events",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("org_id", Line(64), nullable=False),
    _job(),
    Column("type", Line(32), nullable=False),
    Column("stage", Line(16), nullable=False, default=""),
    Column("part", Line(64), nullable=False, default=""),
    Column("data", Json, nullable=False),
    Column("at", Moment, nullable=False),
    Index(None, "job_id", "id"),
)

observations = Table(
    "observations",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    _job(),
    Column("type", Line(32), nullable=False),
    Column("subject", Prose, nullable=False),
    Column("data", Json, nullable=False),
    Column("evidence", Json, nullable=False),
    Column("observed_at", Moment, nullable=False),
    Index(None, "job_id", "id"),
)

coverage = Table(
    "coverage",
    metadata,
    Column("job_id", Id, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("data", Json, nullable=False),
)

findings = Table(
    "findings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org_id", Line(64), nullable=False),
    _job(),
    Column("fingerprint", Line(64), nullable=False),
    Column("rule", Line(64), nullable=False),
    Column("severity", Line(8), nullable=False),
    Column("severity_rank", Integer, nullable=False),
    Column("subject", Prose, nullable=False),
    Column("title", Prose, nullable=False),
    Column("change", Line(16), nullable=False),
    Column("points", Float, nullable=False),
    Column("first_seen_at", Moment, nullable=False),
    Column("data", Json, nullable=False),
    UniqueConstraint("job_id", "fingerprint"),
    Index(None, "org_id", "fingerprint"),
)

assessments = Table(
    "assessments",
    metadata,
    Column("job_id", Id, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("data", Json, nullable=False),
)

reports = Table(
    "reports",
    metadata,
    Column("id", Id, primary_key=True),
    _job(),
    Column("format", Line(32), nullable=False),
    Column("media_type", Line(64), nullable=False),
    Column("filename", Prose, nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("sha256", Line(64), nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("job_id", "format"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    _job(),
    Column("part", Line(64), nullable=False),
    Column("run", Integer, nullable=False, default=1, server_default="1"),
    Column("channel", Line(32), nullable=False),
    Column("destination", Prose, nullable=False),
    Column("shown_as", Prose, nullable=False),
    Column("state", Line(16), nullable=False),
    Column("answer", Prose, nullable=False, default=""),
    Column("created_at", Moment, nullable=False),
    Column("sent_at", Moment),
    UniqueConstraint("job_id", "part", "run"),
)

plugins = Table(
    "plugins",
    metadata,
    Column("folder", Line(32), primary_key=True),
    Column("name", Line(64), primary_key=True),
    Column("announced_at", Moment, nullable=False),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org_id", Line(64), nullable=False),
    Column("job_id", Id),  # no foreign key: a message may name any job
    Column("stage", Line(16)),
    Column("target", Prose, nullable=False, default=""),
    Column("target_kind", Line(16), nullable=False, default=""),
    Column("queue", Line(64), nullable=False, default=""),
    Column("task", Line(255), nullable=False, default=""),
    Column("task_id", Line(255), nullable=False, default=""),
    Column("reason", Line(32), nullable=False),
    Column("failure_class", Line(16), nullable=False),
    Column("rule", Prose, nullable=False, default=""),
    Column("is_poison", Boolean, nullable=False, default=False),
    Column("state", Line(16), nullable=False),
    Column("error_type", Line(255), nullable=False, default=""),
    Column("code", Line(64), nullable=False, default=""),
    Column("message", Prose, nullable=False, default=""),
    Column("error", Json, nullable=False),
    Column("fingerprint", Line(64), nullable=False),
    Column("count", Integer, nullable=False, default=1),
    Column("deliveries", Integer, nullable=False, default=1),
    Column("retries", Integer, nullable=False, default=0),
    Column("run", Integer, nullable=False, default=1),
    Column("worker", Line(255), nullable=False, default=""),
    Column("memory_bytes", BigInteger),
    Column("trace_id", Line(32), nullable=False, default=""),
    Column("traceparent", Line(64), nullable=False, default=""),
    Column("versions", Json, nullable=False, default=dict),
    Column("raw", LargeBinary, nullable=False),
    Column("stream_id", Line(32)),
    Column("replay_of", Id),
    Column("replays", Integer, nullable=False, default=0),
    Column("operation_id", Id),
    Column("note", Prose, nullable=False, default=""),
    Column("first_failed_at", Moment, nullable=False),
    Column("last_failed_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("snoozed_until", Moment),
    UniqueConstraint("stream_id"),
    Index(None, "org_id", "state", "fingerprint"),
    Index(None, "org_id", "last_failed_at"),
    Index(None, "job_id", "stage"),
    Index(None, "operation_id"),
    Index(None, "replay_of"),
    Index(None, "ended_at"),
    Index(
        "ix_dead_letters_unsettled",
        "state",
        "job_id",
        sqlite_where=Column("ended_at").is_(None),
        postgresql_where=Column("ended_at").is_(None),
    ),
)

dead_letter_rules = Table(
    "dead_letter_rules",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org_id", Line(64), nullable=False),
    Column("fingerprint", Line(64), nullable=False, default=""),
    Column("stage", Line(16), nullable=False, default=""),
    Column("error_type", Line(255), nullable=False, default=""),
    Column("code", Line(64), nullable=False, default=""),
    Column("contains", Prose, nullable=False, default=""),
    Column("failure_class", Line(16), nullable=False),
    Column("learned_from", Id),
    Column("created_by", Line(255), nullable=False, default=""),
    Column("created_at", Moment, nullable=False),
    Column("hits", Integer, nullable=False, default=0),
    Index(None, "org_id"),
)

policies = Table(
    "policies",
    metadata,
    Column("org_id", Line(64), primary_key=True),
    Column("failure_class", Line(16), primary_key=True),
    Column("retries", Integer, nullable=False),
    Column("back_off", Line(16), nullable=False),
    Column("base_s", Float, nullable=False),
    Column("cap_s", Float, nullable=False),
    Column("changed_by", Line(255), nullable=False, default=""),
    Column("changed_at", Moment, nullable=False),
)

operations = Table(
    "operations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org_id", Line(64), nullable=False),
    Column("kind", Line(32), nullable=False),
    Column("state", Line(16), nullable=False),
    Column("params", Json, nullable=False),
    Column("total", Integer, nullable=False, default=0),
    Column("done", Integer, nullable=False, default=0),
    Column("skipped", Integer, nullable=False, default=0),
    Column("succeeded", Integer, nullable=False, default=0),
    Column("failed", Integer, nullable=False, default=0),
    Column("refused", Json, nullable=False, default=dict),
    Column("cursor", Line(64), nullable=False, default=""),
    Column("note", Prose, nullable=False, default=""),
    Column("created_by", Line(255), nullable=False, default=""),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("finished_at", Moment),
    Index(None, "org_id", "id"),
    Index(None, "state"),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Serial, primary_key=True, autoincrement=True),
    Column("org_id", Line(64), nullable=False),
    Column("at", Moment, nullable=False),
    Column("actor", Line(255), nullable=False),
    Column("action", Line(64), nullable=False),
    Column("subject", Prose, nullable=False, default=""),
    Column("detail", Json, nullable=False),
    Column("trace_id", Line(32), nullable=False, default=""),
    Index(None, "org_id", "id"),
)
