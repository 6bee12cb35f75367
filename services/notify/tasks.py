"""The stage `notify`: each destination is a part of its own and is sent to at most once per job."""

from __future__ import annotations

from services.notify import channels
from services.notify.notice import notice
from shared.contracts.envelope import Envelope
from shared.contracts.job import StageName
from shared.contracts.notice import Notice
from shared.errors import Permanent, VedetteError
from shared.layers.ledger import Part, Step
from shared.queue import stage
from shared.settings import settings
from shared.store import deliveries, jobs, reports
from shared.store.engine import reading, writing


class DeliveryUnknown(Permanent):
    """A worker died while it was sending. Not sent again: two notifications are worse than an explained gap."""


@stage(StageName.NOTIFY)
def run(envelope: Envelope, step: Step) -> None:
    """Tell everybody who is to know of the job's end."""
    with reading() as connection:
        _, options = jobs.request(connection, envelope.job_id)
        document = reports.document(connection, envelope.job_id)
    public = settings().gateway_public_url.rstrip("/")
    told = notice(document, f"{public}/jobs/{envelope.job_id}" if public else "")
    wanted = {deliveries.part_of(url): url for url in [*options.notify, *settings().notify]}
    step.expect(list(wanted))
    for name, url in wanted.items():
        with step.part(name) as part:
            if not part.is_over:
                _send(part, envelope.job_id, url, told)
    step.summary = f"{len(wanted)} told" if wanted else "nobody to tell"


def _send(part: Part, job_id: str, url: str, told: Notice) -> None:
    """Send once. The row says `sending` before the first byte leaves, so that a crash is never taken for silence."""
    channel = channels.of(url)
    channel.check(url, settings())
    with writing() as connection:
        delivery = deliveries.begin(connection, job_id, url.partition(":")[0], url)
        deliveries.end(connection, delivery.id, "sending", "")
    if delivery.state == "sending":
        with writing() as connection:
            deliveries.end(connection, delivery.id, "unknown", "the worker died while sending")
        raise DeliveryUnknown(
            f"It is not known whether {delivery.shown_as} was told.", cure="Ask there, or tell it by hand."
        )
    try:
        answer = channel.deliver(url, told, key=delivery.id, settings=settings())
    except VedetteError as exc:
        with writing() as connection:
            deliveries.end(connection, delivery.id, "failed", exc.message)
        raise
    part.summary = f"{delivery.shown_as}: {answer}"
    part.keep(lambda write: deliveries.end(write, delivery.id, "sent", answer))
