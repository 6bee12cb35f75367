"""All figures at one moment, as Prometheus reads them: counters of the store, queues and workers, and this process.

A part that is away leaves out its own series and says so (`vedette_broker_up`, `vedette_database_up`); there is no 500.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import redis
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from gateway import meters
from gateway.zeros import zeros
from shared import bus, spool
from shared.broker import keys, refusals
from shared.broker.client import BrokerAway, answering
from shared.broker.view import BrokerView, look
from shared.contracts.lanes import ALL_LANES
from shared.errors import Infrastructure
from shared.settings import settings
from shared.store import rollups, signs
from shared.store.engine import reading
from shared.store.tallies import BUCKETS_S, INFINITE

_HELP = {
    "vedette_jobs": "Jobs that ended.",
    "vedette_stage_duration_seconds": "How long runs of a stage took that succeeded.",
    "vedette_stage_wait_seconds": "How long first attempts of a stage waited in its queue.",
    "vedette_retries": "Attempts that failed and were put off.",
    "vedette_notifications": "Notifications of jobs, by how they ended.",
    "vedette_dlq_replays": "Jobs that were revived: retried, resumed or replayed.",
    "celery_task_sent": "Task messages that were sent.",
    "celery_task_received": "Task messages that a worker took.",
    "celery_task_started": "Tasks that began.",
    "celery_task_succeeded": "Tasks that succeeded.",
    "celery_task_failed": "Tasks that failed for good.",
    "celery_task_retried": "Tasks that were put off.",
    "celery_task_runtime": "How long tasks took that succeeded.",
}
_HISTOGRAMS = ("vedette_stage_duration_seconds", "vedette_stage_wait_seconds", "celery_task_runtime")
_NEVER_S = 1e6  # the age of a heart-beat that there is not


class Exposition(Collector):
    """The collector of everything that is not this process's own."""

    def collect(self) -> Iterator[Metric]:
        yield from _of_broker()
        yield from _of_store()


def encoder(accept: str) -> tuple[Callable[[CollectorRegistry], bytes], str]:
    """Return what writes figures in the form that an `Accept` header asks for, and its content type."""
    try:
        write, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is no number
        write, content_type = choose_encoder("")
    return write, content_type


def registry() -> CollectorRegistry:
    """Return what is exposed now."""
    made = CollectorRegistry()
    made.register(Exposition())
    made.register(meters.REGISTRY)
    return made


def _gauge(name: str, said: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    family = GaugeMetricFamily(name, said, labels=labels)
    for of, value in values:
        family.add_metric(of, value)
    return family


def _of_broker() -> Iterator[Metric]:
    view = look()
    yield _gauge("vedette_broker_up", "Whether the broker answers.", (), [((), float(not view.is_down))])
    if view.is_down:
        return
    yield from _of_queues(view)
    services: dict[str, float] = {}
    for worker in view.live:
        services[worker.service] = services.get(worker.service, 0.0) + 1
    there = [((worker.hostname,), 1.0) for worker in view.live] + [((worker.hostname,), 0.0) for worker in view.lost]
    yield _gauge("celery_worker_up", "Whether a worker gives signs of life.", ("hostname",), there)
    busy = [((worker.hostname,), float(worker.busy)) for worker in view.live]
    yield _gauge("celery_worker_tasks_active", "Tasks that a worker is at.", ("hostname",), busy)
    replicas = [((service,), number) for service, number in sorted(services.items())]
    yield _gauge("vedette_scaling_replicas", "Workers of a service that live.", ("service",), replicas)
    try:
        yield from _of_server()
    except BrokerAway:
        return


def _of_queues(view: BrokerView) -> Iterator[Metric]:
    depths = [view.depth(lane) for lane in ALL_LANES]
    shown: dict[str, tuple[str, list[float]]] = {
        "vedette_queue_waiting": ("Messages in a queue.", [float(each.total) for each in depths]),
        "vedette_queue_unacked": ("Messages in the hands of workers.", [float(each.unacknowledged) for each in depths]),
        "vedette_queue_oldest_age_seconds": (
            "How long the oldest message of a queue has waited.",
            [each.oldest_age_s or 0.0 for each in depths],
        ),
        "vedette_queue_consumers": (
            "Workers that take from a queue.",
            [float(len(view.consumers(each.name))) for each in depths],
        ),
        "vedette_queue_paused": ("Whether a queue is paused.", [float(each.paused is not None) for each in depths]),
    }
    names = [(each.name,) for each in depths]
    for name, (said, values) in shown.items():
        yield _gauge(name, said, ("queue",), zip(names, values, strict=True))
    lengths = zip(names, shown["vedette_queue_waiting"][1], strict=True)
    yield _gauge("celery_queue_length", "Messages in a queue.", ("queue_name",), lengths)


def _of_server() -> Iterator[Metric]:
    """Yield what only Redis itself knows. Raises BrokerAway."""
    with answering() as client:
        evicted = int(client.info("stats")["evicted_keys"])
        lag = client.xlen(keys.DEAD_LETTERS)
        left_ms = int(client.pttl(keys.LEADER))
    try:
        lag += bus.client().xlen(spool.STREAM)
    except (redis.RedisError, OSError) as exc:
        raise BrokerAway("The bus does not answer.") from exc
    yield CounterMetricFamily("vedette_broker_evicted_keys", "Keys that Redis forgot to make room.", value=evicted)
    yield _gauge("vedette_bus_lag_messages", "What control has yet to take in.", (), [((), lag)])
    age_s = _NEVER_S if left_ms < 0 else max(0.0, keys.LEAD_TERM_S - left_ms / 1000)
    said = "Since control's leader last renewed its lead."
    yield _gauge("vedette_scheduler_heartbeat_age_seconds", said, (), [((), age_s)])
    forged = CounterMetricFamily(
        "vedette_signature_failures", "Messages and events that could not be verified.", labels=("reason",)
    )
    for reason, number in refusals.counts().items():
        forged.add_metric((reason,), number)
    yield forged


def _of_store() -> Iterator[Metric]:
    try:
        with reading() as connection:
            counters, letters = rollups.read(connection), signs.letters(connection)
            orgs = signs.busiest(connection, settings().metrics_orgs_count) if settings().metrics_orgs_count else []
    except Infrastructure:
        yield _gauge("vedette_database_up", "Whether the database answers.", (), [((), 0.0)])
        return
    yield _gauge("vedette_database_up", "Whether the database answers.", (), [((), 1.0)])
    yield _gauge("vedette_dead_letters", "Dead letters that wait for somebody.", ("class", "stage"), letters)
    if orgs:
        said = "Jobs of the last 24 hours, of those organisations that have most."
        yield _gauge("vedette_org_jobs_24h", said, ("org",), orgs)
    yield from _counters(counters)


def _counters(found: dict[str, dict[tuple[tuple[str, str], ...], float]]) -> Iterator[Metric]:
    for name, said in _HELP.items():
        if name in _HISTOGRAMS:
            yield _histogram(name, said, found)
            continue
        series = {**dict.fromkeys(zeros().get(name, ()), 0.0), **found.get(name, {})}
        labels = tuple(key for key, _ in next(iter(series), ()))
        family = CounterMetricFamily(name, said, labels=labels)
        for of, value in sorted(series.items()):
            family.add_metric([text for _, text in of], value)
        yield family


def _histogram(name: str, said: str, found: dict[str, dict[tuple[tuple[str, str], ...], float]]) -> Metric:
    sums = found.get(f"{name}_sum", {})
    buckets: dict[tuple[tuple[str, str], ...], dict[str, float]] = {}
    for of, value in found.get(f"{name}_bucket", {}).items():
        own = tuple(pair for pair in of if pair[0] != "le")
        buckets.setdefault(own, {})[dict(of)["le"]] = value
    labels = tuple(key for key, _ in next(iter(sums), ()))
    family = HistogramMetricFamily(name, said, labels=labels)
    for own, counts in sorted(buckets.items()):
        bounds: list[Any] = [(f"{bound:g}", counts.get(f"{bound:g}", 0.0)) for bound in BUCKETS_S]
        whole = [*bounds, (INFINITE, counts[INFINITE])]
        family.add_metric([text for _, text in own], whole, sums.get(own, 0.0))
    return family
