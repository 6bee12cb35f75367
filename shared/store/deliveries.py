"""Deliveries: who was told of a job, and what they answered. One row per job, destination and run of the job."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy import Connection, select, update

from shared.ids import new_id, now
from shared.redaction import shown
from shared.store.engine import insert_missing
from shared.store.step import Key
from shared.store.tables import deliveries


@dataclass(frozen=True)
class Delivery:
    """One row. `part` is the ledger's name for it; `shown_as` is the destination without its secrets."""

    id: str
    part: str
    channel: str
    shown_as: str
    state: str
    answer: str
    run: int = 1


def part_of(destination: str) -> str:
    """Return the ledger part of a destination: its scheme and eight letters of its hash."""
    return f"{urlsplit(destination).scheme[:16]}-{hashlib.sha256(destination.encode()).hexdigest()[:8]}"


def begin(connection: Connection, key: Key, channel: str, destination: str) -> Delivery:
    """Return the row of this destination and run, made when there is none. Its id is the delivery's idempotency key."""
    part = part_of(destination)
    columns = [deliveries.c[name] for name in Delivery.__dataclass_fields__]
    mine = (deliveries.c.job_id == key.job_id, deliveries.c.part == part, deliveries.c.run == key.run)
    query = select(*columns).where(*mine)
    row = connection.execute(query).mappings().one_or_none()
    if row is None:
        made = Delivery(new_id(), part, channel, shown(destination), "pending", "", key.run)
        of_job = {"job_id": key.job_id, "org_id": key.org_id}
        values = {**made.__dict__, **of_job, "destination": destination, "created_at": now()}
        insert_missing(connection, deliveries, [values])
        row = connection.execute(query).mappings().one()
    return Delivery(**row)


def claim(connection: Connection, delivery_id: str) -> bool:
    """Mark a delivery as `sending`; False when somebody began to send it and nobody knows what came of that."""
    free = deliveries.c.state.in_(["pending", "failed"])
    asked = update(deliveries).where(deliveries.c.id == delivery_id, free).values(state="sending", answer="")
    return connection.execute(asked).rowcount > 0


def end(connection: Connection, delivery_id: str, state: str, answer: str) -> None:
    """Note how a delivery ended: `sent`, `failed` or `unknown`."""
    values = {"state": state, "answer": answer[:500], "sent_at": now() if state == "sent" else None}
    connection.execute(update(deliveries).where(deliveries.c.id == delivery_id).values(**values))


def of_job(connection: Connection, job_id: str) -> list[Delivery]:
    """Return the deliveries of all runs of a job, oldest first."""
    columns = [deliveries.c[name] for name in Delivery.__dataclass_fields__]
    query = select(*columns).where(deliveries.c.job_id == job_id).order_by(deliveries.c.created_at)
    return [Delivery(**row) for row in connection.execute(query).mappings()]
