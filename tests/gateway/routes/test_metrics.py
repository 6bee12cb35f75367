"""What Prometheus reads: in its form, behind a token, right, bounded, and there whatever is away."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from fastapi.testclient import TestClient
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from control import rollups
from control.leader import Leader
from shared.broker import keys
from shared.broker.client import client as broker
from shared.settings import settings
from shared.testing import RedisServer
from tests.deploy import queries
from tests.gateway.driving import both_databases, finish
from tests.gateway.test_database_away import NOBODY, use


@pytest.fixture
def scrape(client: TestClient) -> Callable[[], dict[str, Metric]]:
    def read() -> dict[str, Metric]:
        answer = client.get("/metrics")
        assert answer.status_code == 200, answer.text
        return {family.name: family for family in plain(answer.text)}

    return read


def value(families: dict[str, Metric], family: str, **labels: str) -> float | None:
    found = [
        each.value for each in families[family].samples if each.labels == labels and not each.name.endswith("_created")
    ]
    return found[0] if found else None


@both_databases
def test_it_tells_what_became_of_jobs(
    scrape: Callable[[], dict[str, Metric]], make_job: Callable[..., str], bury: Callable[..., str]
) -> None:
    finish(make_job())
    bury()
    rollups.advance()
    found = scrape()
    assert value(found, "vedette_jobs", kind="host", outcome="succeeded") == 1
    assert value(found, "celery_task_succeeded", name="scan.run", queue_name="scan") == 1
    assert sum(sample.value for sample in found["vedette_dead_letters"].samples) == 1
    assert value(found, "vedette_stage_duration_seconds", stage="scan", le="+Inf") == 1
    assert (value(found, "vedette_broker_up"), value(found, "vedette_database_up")) == (1, 1)


def test_every_series_of_the_shipped_rules_and_dashboards_is_there(
    scrape: Callable[[], dict[str, Metric]], client: TestClient
) -> None:
    client.get("/api/v1/jobs", headers={"Authorization": "Bearer wrong"})
    there = {sample.name for family in scrape().values() for sample in family.samples} | set(scrape())
    there |= {f"{name}_total" for name in scrape()} | {f"{name}_bucket" for name in scrape()}
    there |= {f"{name}_count" for name in scrape()}
    asked = {name for query in [*queries.of_rules(), *queries.of_dashboards()] for name in query.series}
    assert asked - there == {"vedette_scaling_maximum"}, "which an autoscaler will tell"


def test_it_is_openmetrics_for_whoever_asks_for_that(client: TestClient) -> None:
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert len(list(openmetrics(answer.text))) > 20


def test_a_header_of_odd_shape_gets_the_plain_form(client: TestClient) -> None:
    for asked in ("application/openmetrics-text; version=abc", "text/plain; version=", 'text/plain; escaping="', ";;="):
        assert client.get("/metrics", headers={"Accept": asked}).status_code == 200


@pytest.fixture
def anonymous(app: object) -> Iterator[TestClient]:
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as made:  # type: ignore[arg-type]
        yield made


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer ", "Bearer wrong", "Basic abc", "bearer \u00e9"])
def test_without_its_token_it_is_closed(anonymous: TestClient, shown: str) -> None:
    headers = {"Authorization": shown.encode()} if shown else {}
    answer = anonymous.get("/metrics", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert "vedette_" not in answer.text


def test_its_own_token_opens_it_and_nothing_else(anonymous: TestClient, fresh_settings: pytest.MonkeyPatch) -> None:
    fresh_settings.setenv("VEDETTE_METRICS_TOKEN", "a-token-to-scrape")
    settings.cache_clear()
    headers = {"Authorization": "Bearer a-token-to-scrape"}
    assert anonymous.get("/metrics", headers=headers).status_code == 200
    assert anonymous.get("/api/v1/jobs", headers=headers).status_code == 401


def test_labels_hold_nothing_that_strangers_write(client: TestClient, scrape: Callable[[], dict[str, Metric]]) -> None:
    for path in ("/api/v1/jobs/canary-in-a-path", "/canary-of-no-route", "/api/v1/jobs?q=canary"):
        client.get(path)
    client.request("CANARY", "/api/v1/jobs")
    assert "canary" not in client.get("/metrics").text.lower()
    routes = {sample.labels["route"] for sample in scrape()["vedette_http_requests"].samples}
    assert "/api/v1/jobs/{id}" in routes
    assert all(route == "none" or re.fullmatch(r"/[\w/{}.:-]*", route) for route in routes)


def test_organisations_are_named_only_where_that_is_asked_for(
    client: TestClient, make_job: Callable[..., str], fresh_settings: pytest.MonkeyPatch
) -> None:
    make_job()
    assert "local" not in client.get("/metrics").text
    fresh_settings.setenv("VEDETTE_METRICS_ORGS_COUNT", "5")
    settings.cache_clear()
    assert 'vedette_org_jobs_24h{org="local"} 1.0' in client.get("/metrics").text


def test_a_part_that_is_away_is_told_and_the_rest_is_there(
    scrape: Callable[[], dict[str, Metric]], mortal_redis: RedisServer
) -> None:
    mortal_redis.stop()
    found = scrape()
    assert (value(found, "vedette_broker_up"), value(found, "vedette_database_up")) == (0, 1)
    assert "vedette_queue_waiting" not in found
    assert "vedette_dead_letters" in found


def test_without_a_database_the_queues_are_there(
    scrape: Callable[[], dict[str, Metric]], fresh_settings: pytest.MonkeyPatch
) -> None:
    use(fresh_settings, NOBODY)
    found = scrape()
    assert (value(found, "vedette_broker_up"), value(found, "vedette_database_up")) == (1, 0)
    assert len(found["vedette_queue_waiting"].samples) == 7


@pytest.fixture(params=["noeviction", "allkeys-lru", "allkeys-lfu"])
def policy(request: pytest.FixtureRequest, client: TestClient) -> Iterator[None]:
    broker().config_set("maxmemory-policy", request.param)
    yield
    broker().config_set("maxmemory-policy", "noeviction")


@pytest.mark.usefixtures("policy")
def test_how_long_ago_the_leader_renewed_its_lead_is_told_under_each_policy_of_memory(
    scrape: Callable[[], dict[str, Metric]],
) -> None:
    assert value(scrape(), "vedette_scheduler_heartbeat_age_seconds") == 1e6, "nobody ever led"
    assert Leader(broker()).campaign()
    found = scrape()
    age_s = value(found, "vedette_scheduler_heartbeat_age_seconds")
    assert age_s is not None
    assert 0 <= age_s < keys.LEAD_TERM_S
    assert "vedette_signature_failures" in found
