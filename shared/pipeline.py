"""The main flow: a job is a chain of four stages. `submit` sends a written job on its way."""

from __future__ import annotations

from collections.abc import Sequence

from celery.canvas import Signature, chain
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared.contracts.envelope import Envelope
from shared.contracts.job import Priority, Profile, StageName
from shared.contracts.submission import Options
from shared.errors import Infrastructure
from shared.queue import LANES, PRIORITIES, app
from shared.store import jobs
from shared.store.engine import reading, writing

PUBLISH_TIMEOUT_S = 1.0  # an absent broker must not hold up whoever submits


class BrokerAway(Infrastructure):
    """The broker does not answer. Jobs are safe in the store; the reconciler sends them when it is back."""


def lane(options: Options) -> str:
    """Return the lane of a job: by what it is and how soon it is wanted."""
    realtime, standard, heavy, background = LANES[StageName.SCAN]
    if options.priority is Priority.URGENT or options.profile is Profile.QUICK:
        return realtime
    if options.priority is Priority.LOW:
        return background
    return heavy if options.profile is Profile.COMPREHENSIVE else standard


def build(envelope: Envelope) -> chain:
    """Return the chain of the four stages for one job."""
    first, *rest = StageName
    message = envelope.model_dump(mode="json")
    return chain(_step(first, envelope, message), *(_step(stage, envelope) for stage in rest))


def submit(ids: Sequence[str]) -> None:
    """Publish jobs that are committed, and note it. Raises BrokerAway; jobs published before that stay noted."""
    with reading() as connection:
        ready = [jobs.envelope(connection, job_id) for job_id in ids]
    published: list[str] = []
    try:
        with app.producer_pool.acquire(block=True, timeout=PUBLISH_TIMEOUT_S) as producer:
            for envelope, traceparent in ready:
                build(envelope).apply_async(producer=producer, headers={"traceparent": traceparent}, retry=False)
                published.append(envelope.job_id)
    except (OperationalError, RedisError, OSError) as exc:
        raise BrokerAway(f"The broker did not answer; {len(ids) - len(published)} jobs wait in the store.") from exc
    finally:
        if published:
            with writing() as transaction:
                jobs.mark_published(transaction, published)


def _step(stage: StageName, envelope: Envelope, *arguments: object) -> Signature:
    queue = envelope.lane if stage is StageName.SCAN else LANES[stage][0]
    return app.signature(f"{stage}.run", args=arguments, queue=queue, priority=PRIORITIES[envelope.priority])
