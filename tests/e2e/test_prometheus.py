"""What is shipped for Prometheus, on a running stack: a real one scrapes, a real Alertmanager tells a webhook."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared import testing
from tests.deploy import queries
from tests.e2e import watchers
from tests.e2e.conftest import Home, free_port

pytestmark = pytest.mark.e2e

OF_THE_AUTOSCALER = {"vedette_scaling_maximum"}  # which is not there yet


@dataclass(frozen=True)
class Watched:
    """A stack that was asked for one job, and who watches it."""

    home: Home
    prometheus: watchers.Prometheus
    receiver: watchers.Receiver


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    home = Home(folder)
    port = free_port()
    started = home.run("up", "--detach", "--port", str(port))
    assert started.returncode == 0, started.stderr
    try:
        with ExitStack() as running:
            told = running.enter_context(watchers.receiver())
            manager = running.enter_context(watchers.alertmanager(folder, told.url))
            token = (folder / "home/token").read_text().strip()
            watcher = running.enter_context(watchers.prometheus(folder, f"127.0.0.1:{port}", token, manager))
            testing.wait_for(lambda: watcher.value("up") == 1, "the stack is scraped")
            done = home.run("scan", "host", "127.0.0.1", "--ports", "1", "--wait", "-o", "json")
            assert done.returncode == 0, done.stderr
            ended = 'sum(vedette_jobs_total{outcome="succeeded"})'
            testing.wait_for(lambda: watcher.value(ended) == 1, "the job is counted", 60)
            yield Watched(home, watcher, told)
    finally:
        assert home.run("down").returncode == 0


def test_every_series_that_is_asked_for_is_there(watched: Watched) -> None:
    known = watched.prometheus.families()
    for query in [*queries.of_rules(), *queries.of_dashboards()]:
        assert query.series - OF_THE_AUTOSCALER <= known.keys(), query.where


def test_counters_and_histograms_are_asked_for_how_they_grow(watched: Watched) -> None:
    growing = [name for name, kind in watched.prometheus.families().items() if kind in {"counter", "histogram"}]
    for query in [*queries.of_rules(), *queries.of_dashboards()]:
        for name in query.series.intersection(growing):
            assert re.search(rf"(rate|increase)\({name}\b", query.text) or "$" in query.where, query.where


def test_what_may_be_counted_is_there_before_it_happens(watched: Watched) -> None:
    """Prometheus cannot tell how a series grew that was not there before, so that a first failure would be unseen."""
    assert watched.prometheus.value('vedette_jobs_total{kind="host", outcome="failed"}') == 0
    assert watched.prometheus.value('vedette_notifications_total{channel="webhook", outcome="failed"}') == 0
    assert watched.prometheus.value("sum(vedette_signature_failures_total)") == 0


def test_what_is_grouped_by_is_a_label(watched: Watched) -> None:
    for query in [*queries.of_rules(), *queries.of_dashboards()]:
        for labels, name in re.findall(r"by \(([\w, ]+)\) \((?:rate|increase)?\(?(\w+)", query.text):
            if name.startswith(("vedette_", "celery_")) and name not in OF_THE_AUTOSCALER:
                for series in watched.prometheus.query(name):
                    assert set(labels.split(", ")) <= series["metric"].keys(), (query.where, series["metric"])


def test_prometheus_answers_every_query(watched: Watched) -> None:
    for query in queries.of_dashboards():
        watched.prometheus.query(query.text)


def test_a_healthy_stack_fires_nothing(watched: Watched) -> None:
    rules = [rule for group in watched.prometheus.ask("rules")["groups"] for rule in group["rules"]]
    assert [(rule["name"], rule["lastError"]) for rule in rules if rule["health"] == "err"] == []
    assert watched.prometheus.query('ALERTS{alertstate="firing"}') == []
    assert watched.receiver.alerts == []


def test_a_scrape_without_the_token_is_refused_and_told_of(watched: Watched, tmp_path: Path) -> None:
    gateway = f"127.0.0.1:{watched.home.record['port']}"
    with watchers.prometheus(tmp_path, gateway, "wrong", "127.0.0.1:9") as refused:
        fired = 'ALERTS{alertname="VedetteUnreachable", alertstate="firing", instance!=""}'
        testing.wait_for(lambda: refused.query(fired), "it is told of")
        (target,) = refused.ask("targets")["activeTargets"]
        assert "401" in target["lastError"]


def test_a_stopped_worker_is_told_of_once_and_so_is_its_return(watched: Watched) -> None:
    name = "process"
    began = time.monotonic()
    os.killpg(watched.home.pid(name), signal.SIGSTOP)  # silent, as on a machine that hangs; nobody starts it again
    try:
        testing.wait_for(lambda: watched.receiver.came("VedetteWorkerDown", "firing"), "the alert comes", 60)
    finally:
        os.killpg(watched.home.pid(name), signal.SIGCONT)
    (fired,) = watched.receiver.came("VedetteWorkerDown", "firing")
    assert fired["labels"]["hostname"].startswith(f"{name}@")
    assert fired["labels"]["severity"] == "warning"
    assert fired["annotations"]["cure"]
    testing.wait_for(lambda: watched.receiver.came("VedetteWorkerDown", "resolved"), "its end comes", 60)
    assert len(watched.receiver.came("VedetteWorkerDown", "firing")) == 1
    assert time.monotonic() - began < 100
