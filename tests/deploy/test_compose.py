from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from shared.settings import Settings

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
WORKERS = ("scan", "process", "report", "notify")
OURS = (*WORKERS, "gateway", "control", "migrate")
STORES = ("redis", "postgres")
WATCHERS = ("otel-collector", "jaeger", "prometheus", "alertmanager", "grafana")
WITHOUT_PROBE = ("migrate", "otel-collector")  # the one ends by itself, the other's image has no program for it


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded = YAML(typ="safe").load(FILE)
    assert isinstance(loaded, dict)
    return loaded


@pytest.fixture(params=[*OURS, *STORES, *WATCHERS])
def service(request: pytest.FixtureRequest, compose: dict[str, Any]) -> dict[str, Any]:
    found = compose["services"][request.param]
    assert isinstance(found, dict)
    return {"name": request.param, **found}


def test_the_file_is_valid_by_the_compose_specification() -> None:
    program = Path(sys.executable).with_name("check-jsonschema")
    arguments: list[str | Path] = [program, "--builtin-schema", "vendor.compose-spec", FILE]
    run = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_there_is_one_service_for_each_part_of_the_system(compose: dict[str, Any]) -> None:
    assert set(compose["services"]) == {*OURS, *STORES, *WATCHERS}
    folders = {path.name for path in (ROOT / "services").iterdir() if (path / "__init__.py").exists()}
    assert folders == set(WORKERS)


def test_any_service_can_be_scaled(compose: dict[str, Any]) -> None:
    assert "version" not in compose
    assert all("container_name" not in service for service in compose["services"].values())
    published = {name for name, service in compose["services"].items() if "ports" in service}
    assert published - set(WATCHERS) == {"gateway"}


def test_vedette_starts_without_those_who_watch(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert service.get("profiles") == (["observability"] if name in WATCHERS else None), name
        assert name in WATCHERS or not set(service.get("depends_on", ())) & set(WATCHERS)


def test_spans_go_to_the_collector_where_the_profile_is_on(compose: dict[str, Any]) -> None:
    for name in OURS:
        asked = compose["services"][name]["environment"]["OTEL_EXPORTER_OTLP_ENDPOINT"]
        assert asked == "${OTEL_EXPORTER_OTLP_ENDPOINT:-${COMPOSE_PROFILES:+http://otel-collector:4318}}"


def test_what_a_watcher_reads_is_in_the_repository(compose: dict[str, Any]) -> None:
    for name in WATCHERS:
        for mount in compose["services"][name].get("volumes", []):
            source, _, options = mount.partition(":")
            assert options.endswith(":ro") if source.startswith("./") else source in compose["volumes"]
            assert not source.startswith("./") or (ROOT / source).is_dir()


def test_a_container_can_do_as_little_as_possible(service: dict[str, Any]) -> None:
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert not service.get("privileged")
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert any(mount.startswith("/tmp:size=") for mount in service["tmpfs"])
    assert service["init"] is True


def test_a_container_has_limits(service: dict[str, Any]) -> None:
    assert service["mem_limit"]
    assert service["cpus"]
    assert service["pids_limit"]
    assert service["logging"]["options"]["max-size"]


def test_every_service_that_stays_says_whether_it_is_well(service: dict[str, Any]) -> None:
    if service["name"] in WITHOUT_PROBE:
        assert service["healthcheck"] == {"disable": True}
        return
    assert service["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
    assert "inspect" not in str(service["healthcheck"]["test"])  # `celery inspect ping` wakes every worker


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_has_the_time_to_finish_its_stage(compose: dict[str, Any], name: str) -> None:
    grace_s = int(compose["services"][name]["stop_grace_period"].removesuffix("s"))
    assert grace_s >= Settings.model_fields["stop_grace_s"].default + 30


@pytest.mark.parametrize("name", WORKERS)
def test_a_greedy_stage_fails_before_its_container_is_full(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    number, unit = re.fullmatch(r"(\d+)([mg])", service["mem_limit"]).groups()  # type: ignore[union-attr]
    assert service["environment"]["VEDETTE_STAGE_MEMORY_LIMIT_MB"] < int(number) * {"m": 1, "g": 1024}[unit]


@pytest.mark.parametrize("name", [name for name in OURS if name != "migrate"])
def test_nothing_starts_before_the_database_is_migrated(compose: dict[str, Any], name: str) -> None:
    needs = compose["services"][name]["depends_on"]
    assert needs["migrate"] == {"condition": "service_completed_successfully"}
    assert all(needs[store] == {"condition": "service_healthy"} for store in STORES)


def test_of_vedette_only_scan_and_notify_reach_the_outside(compose: dict[str, Any]) -> None:
    networks = {name: set(service["networks"]) for name, service in compose["services"].items()}
    assert compose["networks"]["backend"] == {"internal": True}
    assert {name for name, joined in networks.items() if "egress" in joined} == {"scan", "notify"}
    assert {name for name, joined in networks.items() if "edge" in joined} == {"gateway"}
    assert {name for name, joined in networks.items() if "backend" in joined} == {*OURS, *STORES, "otel-collector"}
    assert {name for name, joined in networks.items() if "watch" in joined} == {"gateway", *WATCHERS}


def test_the_doors_open_on_this_machine_only(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_secrets_are_files_and_each_service_has_only_its_own(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for variable, value in service.get("environment", {}).items():
            assert not re.search(r"://[^/\s]*:[^/\s]*@", str(value)), variable
            if str(value).startswith("/run/secrets/"):
                assert value.removeprefix("/run/secrets/") in service["secrets"]
    assert "token" not in compose["services"]["scan"]["secrets"]
    assert set(compose["secrets"]) == {name for s in compose["services"].values() for name in s.get("secrets", [])}
    assert not {"token", "master_key"} & {
        name for each in WATCHERS for name in compose["services"][each].get("secrets", [])
    }


def test_redis_keeps_what_it_is_given(compose: dict[str, Any]) -> None:
    command = " ".join(compose["services"]["redis"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_images_have_a_tag_that_is_not_latest(service: dict[str, Any]) -> None:
    name, _, tag = service["image"].partition(":")
    assert name
    assert tag
    assert tag != "latest"


def test_the_image_is_built_for_the_service_that_runs_in_it(compose: dict[str, Any]) -> None:
    for name in (*WORKERS, "control", "gateway"):
        build = compose["services"][name]["build"]
        assert build["args"]["SERVICE"] == name
        folder = build["args"].get("FOLDER", f"services/{name}")
        assert (ROOT / folder / "pyproject.toml").exists()
