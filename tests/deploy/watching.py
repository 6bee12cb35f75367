"""The shipped configuration of Prometheus and Alertmanager, but with the paths, addresses and times of a test."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.conftest import missing

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
RULES = DEPLOY / "prometheus" / "rules.yml"


def load(path: Path) -> dict[str, Any]:
    loaded = YAML(typ="safe").load(path)
    assert isinstance(loaded, dict)
    return loaded


def save(document: dict[str, Any], path: Path) -> Path:
    with path.open("w", encoding="utf-8") as file:
        YAML().dump(document, file)
    return path


def program(name: str) -> str:
    found = shutil.which(name)
    return found or missing(f"{name} is not installed")


def run(name: str, *arguments: str | Path) -> str:
    """Run a program of this machine, and return what it said. Fails when the program does."""
    command: list[str | Path] = [program(name), *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def rules() -> list[dict[str, Any]]:
    """All rules that are shipped, of all groups."""
    return [rule for group in load(RULES)["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """The rules that are alerts, by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def prometheus(folder: Path, *, gateway: str, token: str, alertmanager: str, every_s: int = 1) -> Path:
    """Write the configuration for a stack on this machine, and for alerts in seconds instead of minutes."""
    document = load(DEPLOY / "prometheus" / "prometheus.yml")
    document["global"] = dict.fromkeys(document["global"], f"{every_s}s")
    document["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [alertmanager]
    scrape = next(each for each in document["scrape_configs"] if each["job_name"] == "vedette")
    (folder / "metrics_token").write_text(token)
    scrape["authorization"]["credentials_file"] = str(folder / "metrics_token")
    scrape["static_configs"][0]["targets"] = [gateway]
    document["scrape_configs"] = [scrape]
    judged = load(RULES)
    for group in judged["groups"]:
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = "1s"
    save(judged, folder / "rules.yml")
    return save(document, folder / "prometheus.yml")


def alertmanager(folder: Path, *, webhook: str) -> Path:
    """Write the configuration for a webhook of the test. Debian's Alertmanager 0.25 has no `url_file` yet."""
    document = load(DEPLOY / "alertmanager" / "alertmanager.yml")
    for route in (document["route"], *document["route"]["routes"]):
        route |= {"group_wait": "1s", "group_interval": "1s"}
    hook = document["receivers"][0]["webhook_configs"][0]
    assert re.fullmatch(r"/run/secrets/\w+", hook.pop("url_file"))
    hook["url"] = webhook
    return save(document, folder / "alertmanager.yml")
