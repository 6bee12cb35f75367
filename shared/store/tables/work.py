"""Jobs, their steps and events, and what came of them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
)

from shared.store.tables.columns import (
    Id,
    Json,
    Line,
    Moment,
    Prose,
    Serial,
    ThisTransaction,
    WhatItSees,
    metadata,
    of_job,
)
from shared.store.tables.secrets import JsonWithSecrets, Secret

jobs = Table(
    "jobs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org_id", Line(64), nullable=False),
    Column("batch_id", Id),
    Column("kind", Line(16), nullable=False),
    Column("target", Prose, nullable=False),
    Column("target_key", Prose, nullable=False),
    Column("request", JsonWithSecrets, nullable=False),
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
    Column("created_by", Line(255), nullable=False, default="", server_default=""),
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
    Column("org_id", Line(64), nullable=False),
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
    of_job(),
    Column("type", Line(32), nullable=False),
    Column("stage", Line(16), nullable=False, default=""),
    Column("part", Line(64), nullable=False, default=""),
    Column("data", Json, nullable=False),
    Column("at", Moment, nullable=False),
    Column("xid", BigInteger, nullable=False, default=ThisTransaction(), server_default="0"),
    Column("snapshot", Text, nullable=False, default=WhatItSees(), server_default=""),
    Index(None, "job_id", "id"),
    Index(None, "org_id", "id"),
    Index("ix_events_xid", "xid", sqlite_where=Column("xid") > 0),
    sqlite_autoincrement=True,
)

observations = Table(
    "observations",
    metadata,
    Column("org_id", Line(64), nullable=False),
    Column("id", Serial, primary_key=True, autoincrement=True),
    of_job(),
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
    Column("org_id", Line(64), nullable=False),
    Column("job_id", Id, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("data", Json, nullable=False),
)

findings = Table(
    "findings",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org_id", Line(64), nullable=False),
    of_job(),
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
    Column("org_id", Line(64), nullable=False),
    Column("job_id", Id, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("data", Json, nullable=False),
)

reports = Table(
    "reports",
    metadata,
    Column("org_id", Line(64), nullable=False),
    Column("id", Id, primary_key=True),
    of_job(),
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
    Column("org_id", Line(64), nullable=False),
    Column("id", Id, primary_key=True),
    of_job(),
    Column("part", Line(64), nullable=False),
    Column("run", Integer, nullable=False, default=1, server_default="1"),
    Column("channel", Line(32), nullable=False),
    Column("destination", Secret, nullable=False),
    Column("shown_as", Prose, nullable=False),
    Column("state", Line(16), nullable=False),
    Column("answer", Prose, nullable=False, default=""),
    Column("created_at", Moment, nullable=False),
    Column("sent_at", Moment),
    UniqueConstraint("job_id", "part", "run"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", Id, primary_key=True),
    Column("org_id", Line(64), nullable=False),
    Column("name", Line(200), nullable=False, default=""),
    Column("total", Integer, nullable=False),
    Column("options", JsonWithSecrets, nullable=False),
    Column("trace_id", Line(32), nullable=False, default=""),
    Column("created_by", Line(255), nullable=False, default=""),
    Column("created_at", Moment, nullable=False),
    Index(None, "org_id", "id"),
)

finding_triage = Table(
    "finding_triage",
    metadata,
    Column("org_id", Line(64), primary_key=True),
    Column("target_key", Prose, primary_key=True),
    Column("fingerprint", Line(64), primary_key=True),
    Column("status", Line(16), nullable=False),
    Column("note", Prose, nullable=False, default=""),
    Column("changed_by", Line(255), nullable=False, default=""),
    Column("changed_at", Moment, nullable=False),
    Column("until", Moment),
)

plugins = Table(
    "plugins",
    metadata,
    Column("folder", Line(32), primary_key=True),
    Column("name", Line(64), primary_key=True),
    Column("announced_at", Moment, nullable=False),
)
