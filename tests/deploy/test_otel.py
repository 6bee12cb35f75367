from __future__ import annotations

from typing import Any

import pytest

from shared.telemetry import attributes
from tests.deploy import watching

COLLECTOR = watching.DEPLOY / "otel" / "collector.yml"


@pytest.fixture(scope="module")
def collector() -> dict[str, Any]:
    return watching.load(COLLECTOR)


def test_every_part_of_a_pipeline_is_configured_and_every_configured_part_is_used(collector: dict[str, Any]) -> None:
    for sort in ("receivers", "processors", "exporters"):
        used = {name for pipeline in collector["service"]["pipelines"].values() for name in pipeline[sort]}
        assert used == set(collector[sort])
    assert set(collector["service"]["extensions"]) == set(collector["extensions"])


def test_memory_is_limited_first_and_traces_are_judged_before_they_are_cut_into_batches(
    collector: dict[str, Any],
) -> None:
    assert collector["service"]["pipelines"]["traces"]["processors"] == ["memory_limiter", "tail_sampling", "batch"]


def test_errors_and_slow_traces_are_kept_whatever_becomes_of_the_others(collector: dict[str, Any]) -> None:
    policies = {each["type"]: each[each["type"]] for each in collector["processors"]["tail_sampling"]["policies"]}
    assert policies["status_code"] == {"status_codes": ["ERROR"]}
    assert policies["latency"]["threshold_ms"] > 0
    assert policies["numeric_attribute"]["key"] == attributes.ATTEMPT
    assert 0 < policies["probabilistic"]["sampling_percentage"] <= 100


def test_it_listens_where_compose_sends_and_where_prometheus_scrapes(collector: dict[str, Any]) -> None:
    compose = watching.load(watching.ROOT / "docker-compose.yml")
    service = compose["services"]["otel-collector"]
    assert {each["endpoint"] for each in collector["receivers"]["otlp"]["protocols"].values()} == {
        f"0.0.0.0:{port.split(':')[-1]}" for port in service["ports"]
    }
    (reader,) = collector["service"]["telemetry"]["metrics"]["readers"]
    scraped = [
        target
        for job in watching.load(watching.DEPLOY / "prometheus" / "prometheus.yml")["scrape_configs"]
        for group in job["static_configs"]
        for target in group["targets"]
    ]
    assert f"otel-collector:{reader['pull']['exporter']['prometheus']['port']}" in scraped
    assert {target.partition(":")[0] for target in scraped} <= {*compose["services"], "127.0.0.1"}
