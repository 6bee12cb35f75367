"""The stage `notify`: each destination is a part of its own and is sent to at most once per run of its job."""

from __future__ import annotations

from urllib.parse import urlsplit

from services.notify.notice import notice
from shared import breaker
from shared.contracts.envelope import Envelope
from shared.contracts.job import Failure, StageName
from shared.contracts.notice import Notice
from shared.errors import External, Permanent, Security, Temporary, VedetteError
from shared.layers.ledger import Part, Step
from shared.notification import channels
from shared.queue import stage
from shared.settings import settings
from shared.store import deliveries, jobs, refusals, reports
from shared.store.deliveries import Delivery
from shared.store.engine import reading, writing


class DeliveryUnknown(Permanent):
    """A worker died while it was sending. Not sent again: two notifications are worse than an explained gap."""


@stage(StageName.NOTIFY)
def run(envelope: Envelope, step: Step) -> None:
    """Tell everybody who is to know of the job's end."""
    tell_all(envelope, step)


def tell_all(envelope: Envelope, step: Step) -> None:
    """Tell each destination of the job and of the settings once, as a part of `step`."""
    with reading(envelope.org_id) as connection:
        _, options = jobs.request(connection, envelope.job_id)
        document = reports.document(connection, envelope.job_id)
    public = settings().gateway_public_url.rstrip("/")
    told = notice(document, f"{public}/jobs/{envelope.job_id}" if public else "")
    wanted = {deliveries.part_of(url): url for url in [*options.notify, *settings().notify]}
    step.expect(list(wanted))
    for name, url in wanted.items():
        with step.part(name) as part:
            if not part.is_over:
                _send(part, url, told)
    step.summary = _summary(list(step.parts.values()))


def _summary(ended: list[Failure | None]) -> str:
    failed = sum(failure is not None for failure in ended)
    told = [f"{len(ended) - failed} told"] if ended else ["nobody to tell"]
    return " · ".join(told + ([f"{failed} failed"] if failed else []))


def _send(part: Part, url: str, told: Notice) -> None:
    """Send once, and have the delivery's row say how that ended. A receiver that keeps failing is left alone."""
    key = part.taken.key
    breaker.check(key.org_id, _receiver(url))
    with writing(key.org_id) as connection:
        delivery = deliveries.begin(connection, key, channels.name_of(url), url)
    try:
        answer = _deliver(delivery, url, told)
    except Exception as exc:
        is_known = isinstance(exc, VedetteError) and not isinstance(exc, DeliveryUnknown)
        with writing(key.org_id) as connection:
            deliveries.end(connection, delivery.id, "failed" if is_known else "unknown", str(exc) or type(exc).__name__)
        raise
    part.summary = f"{delivery.shown_as}: {answer}"
    part.keep(lambda write: deliveries.end(write, delivery.id, "sent", answer))


def _deliver(delivery: Delivery, url: str, told: Notice) -> str:
    """The row says `sending` before the first byte leaves, so that a crash is never taken for silence."""
    with writing(told.org_id) as connection:
        if not deliveries.claim(connection, delivery.id):
            raise DeliveryUnknown(
                f"It is not known whether {delivery.shown_as} was told: the worker died while sending.",
                cure="Ask there, or tell it by hand.",
            )
    channel = channels.of(url)
    try:
        channel.check(url, settings())
        answer = channel.deliver(url, told, key=delivery.id, settings=settings())
    except Security as exc:
        _note(told, delivery, exc)
        raise
    except (External, Temporary):
        breaker.failed(told.org_id, _receiver(url))
        raise
    breaker.succeeded(told.org_id, _receiver(url))
    return answer


def _note(told: Notice, delivery: Delivery, exc: Security) -> None:
    rule = getattr(exc, "rule", "") or exc.code
    refusals.note(told.org_id, "notify", "webhook.refused", f"job:{told.job_id}", [(rule, delivery.shown_as)])


def _receiver(url: str) -> str:
    """Return who answers for `url`: host and port, or for mail the one server that takes it all."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or parts.scheme}" if parts.hostname else "smtp"
