from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from shared.settings import Settings
from tests.deploy import watching

TESTS = watching.RULES.with_name("rules_test.yml")
SEEING = watching.ROOT / "docs" / "seeing.md"
ALERTS = watching.alerts()
WANTED = {  # what people must be told of, by the alerts that tell them
    "no consumer": "VedetteNoConsumer",
    "worker down": "VedetteWorkerDown",
    "queue too old": "VedetteQueueTooOld",
    "queue high": "VedetteQueueHigh",
    "failure rate": "VedetteFailureRate",
    "stage slow": "VedetteStageSlow",
    "dead letters growing": "VedetteDeadLettersGrowing",
    "autoscaler at max": "VedetteScalingAtMaximum",
    "scheduler stopped": "VedetteSchedulerStopped",
    "notifications failing": "VedetteNotificationsFailing",
    "signature failures": "VedetteSignatureFailures",
    "evicted keys": "VedetteKeysEvicted",
}


@pytest.fixture(scope="module")
def tested() -> list[dict[str, Any]]:
    return [each for test in watching.load(TESTS)["tests"] for each in test.get("alert_rule_test", [])]


def test_promtool_takes_the_rules() -> None:
    watching.run("promtool", "check", "rules", watching.RULES)


def test_the_rules_pass_their_own_tests() -> None:
    watching.run("promtool", "test", "rules", TESTS)


def test_promtool_takes_the_configuration(tmp_path: Path) -> None:
    made = watching.prometheus(tmp_path, gateway="127.0.0.1:1", token="x", alertmanager="127.0.0.1:2")
    assert f"{len(watching.rules())} rules found" in watching.run("promtool", "check", "config", made)


def test_amtool_takes_the_configuration(tmp_path: Path) -> None:
    made = watching.alertmanager(tmp_path, webhook="http://127.0.0.1:1/")
    assert "SUCCESS" in watching.run("amtool", "check-config", made)


def test_there_is_an_alert_for_all_that_people_must_be_told_of() -> None:
    assert set(WANTED.values()) <= set(ALERTS)


SETTINGS = {  # what the product judges by, and the rules of Prometheus that judge the same
    "alert_queue_age_s": "VedetteQueueTooOld",
    "alert_stage_s": "VedetteStageSlow",
    "alert_failure_ratio": "VedetteFailureRate",
    "alert_least_jobs_count": "VedetteFailureRate",
    "alert_dead_letters_count": "VedetteDeadLettersGrowing",
}


@pytest.mark.parametrize("setting", SETTINGS)
def test_prometheus_judges_by_the_numbers_of_the_product(setting: str) -> None:
    number = Settings.model_fields[setting].default
    assert re.search(rf">=? {number:g}\b", ALERTS[SETTINGS[setting]]["expr"])


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_how_bad_it_is_what_it_is_and_what_to_do(name: str) -> None:
    assert ALERTS[name]["labels"]["severity"] in {"critical", "warning"}
    assert ALERTS[name]["annotations"].keys() == {"summary", "cure"}
    assert all(text.endswith(".") for text in ALERTS[name]["annotations"].values())


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_seen_to_fire_and_seen_to_stay_silent(name: str, tested: list[dict[str, Any]]) -> None:
    mine = [each for each in tested if each["alertname"] == name]
    assert [each for each in mine if each["exp_alerts"]]
    assert [each for each in mine if not each["exp_alerts"]]


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_in_the_documents(name: str) -> None:
    assert f"`{name}`" in SEEING.read_text(encoding="utf-8")


def test_what_keeps_an_alert_silent_is_an_alert() -> None:
    for rule in watching.load(watching.DEPLOY / "alertmanager" / "alertmanager.yml")["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            _, sign, pattern = re.fullmatch(r'(\w+)(=~|!=|=)"(.+)"', matcher).groups()  # type: ignore[union-attr]
            assert [name for name in ALERTS if re.fullmatch(pattern if sign == "=~" else re.escape(pattern), name)]
