"""The main flow: a job is a chain of four stages. `submit` sends a written job on its way."""

from __future__ import annotations

from collections.abc import Sequence

from celery.canvas import Signature, chain
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared.broker import flags, silence
from shared.broker.client import BrokerAway, client
from shared.broker.transport import together
from shared.contracts.envelope import Envelope
from shared.contracts.job import StageName
from shared.queue import app, sending
from shared.store import outbox
from shared.store.engine import Connection, reading, writing
from shared.store.outbox import Outgoing

AT_ONCE = 50  # jobs published and noted together: about 0.1 s in which another process may publish one a second time

# Workers wait for a broker that is away; whoever submits a job must not. Seconds.
_IMPATIENT = {
    "connect_retries_timeout": 0.3,
    "interval_start": 0.1,
    "interval_step": 0.1,
    "interval_max": 0.2,
    "socket_connect_timeout": 1.0,
    "socket_timeout": 2.0,
}


def hurry() -> None:
    """Make this process give up on an absent broker within about a second. For whoever submits, before it connects."""
    app.conf.broker_transport_options = {**app.conf.broker_transport_options, **_IMPATIENT}


def build(envelope: Envelope, first: StageName = StageName.SCAN) -> chain:
    """Return the chain of the stages for one job, from `first` on; of a part of a stage, its task alone."""
    rest = [] if envelope.part else list(StageName)[list(StageName).index(first) + 1 :]
    message = envelope.model_dump(mode="json")
    return chain(_step(first, envelope, message), *(_step(stage, envelope) for stage in rest))


def submit(ids: Sequence[str]) -> None:
    """Publish those of the jobs that are queued and not published yet, each from where it is, and note it.

    Raises BrokerAway; jobs published before that stay noted.
    """
    for start in range(0, len(ids), AT_ONCE):
        _submit(ids[start : start + AT_ONCE])


def resend(steps: Sequence[tuple[str, StageName, str]]) -> None:
    """Publish these jobs again, each from its stage on, under the ids that its tasks have. Raises BrokerAway.

    Of a stage with a part, only that is published, and nothing after it.
    """
    with reading() as connection:
        ready = [_outgoing(connection, *step) for step in steps]
    _publish(ready, [])


def _outgoing(connection: Connection, job_id: str, stage: StageName, part: str) -> Outgoing:
    envelope, traceparent = outbox.envelope(connection, job_id)
    if part:  # the deadline was that of the job, which is over
        envelope = envelope.model_copy(update={"part": part, "deadline_at": None})
    return Outgoing(envelope, traceparent, stage)


def _submit(ids: Sequence[str]) -> None:
    with reading() as connection:
        ready = outbox.outgoing(connection, ids)
    published: list[str] = []
    try:
        _publish(ready, published)
    finally:
        if published:
            with writing() as transaction:
                outbox.mark_published(transaction, published)


def _publish(ready: Sequence[Outgoing], published: list[str]) -> None:
    """Send jobs on their way; `published` grows by the ids of those that were sent."""
    try:
        # The flag of a run that was cancelled must not stop the next one.
        with silence.heeded(), together(client()) as ends:
            flags.clear(client(), [job.envelope.job_id for job in ready if job.envelope.run > 1])
            for job in ready:
                headers = {"traceparent": job.traceparent}
                build(job.envelope, job.first).apply_async(headers=headers, retry=False)
        published += [job.envelope.job_id for job, failure in zip(ready, ends, strict=True) if not failure]
        if failure := next(filter(None, ends), None):
            raise failure
    except (OperationalError, RedisError, OSError) as exc:
        raise BrokerAway(f"The broker did not answer; {len(ready) - len(published)} jobs wait in the store.") from exc


def _step(stage: StageName, envelope: Envelope, *arguments: object) -> Signature:
    return app.signature(f"{stage}.run", args=arguments, options=sending(stage, envelope))
