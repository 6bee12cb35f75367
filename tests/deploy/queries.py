"""Every query that is shipped: of the rules, and of the panels, variables and annotations of the dashboards."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy import watching

DASHBOARDS = sorted((watching.DEPLOY / "grafana" / "dashboards").glob("*.json"))

_NAME = re.compile(r"\b(?:vedette[_:]|celery_)[\w:]+")
_LABEL_VALUES = re.compile(r"label_values\((.+), \w+\)")
_BY_GRAFANA = {"$__rate_interval": "1m", "$stage": ".*", "$class": ".*"}


@dataclass(frozen=True)
class Query:
    """where: the file and the panel or rule.  text: as Prometheus gets it, without the variables of Grafana."""

    where: str
    text: str

    @property
    def series(self) -> set[str]:
        """Names of the series of ours that it reads, without those that other rules record."""
        return {name for name in _NAME.findall(self.text) if ":" not in name}

    @property
    def recorded(self) -> set[str]:
        return {name for name in _NAME.findall(self.text) if ":" in name}


def dashboard(path: Path) -> dict[str, Any]:
    loaded = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def of_rules() -> list[Query]:
    return [Query(rule.get("alert", rule.get("record")), rule["expr"]) for rule in watching.rules()]


def of_dashboards() -> list[Query]:
    return [query for path in DASHBOARDS for query in _of_dashboard(path)]


def _of_dashboard(path: Path) -> Iterator[Query]:
    document = dashboard(path)
    for panel in document["panels"]:
        for target in panel.get("targets", []):
            yield Query(f"{path.stem}: {panel['title']}", _plain(target["expr"]))
    for variable in document["templating"]["list"]:
        if variable["type"] == "query":
            found = _LABEL_VALUES.fullmatch(variable["query"]["query"])
            assert found, variable["name"]
            yield Query(f"{path.stem}: ${variable['name']}", found[1])
    for annotation in document["annotations"]["list"]:
        yield Query(f"{path.stem}: {annotation['name']}", _plain(annotation["expr"]))


def _plain(text: str) -> str:
    for variable, value in _BY_GRAFANA.items():
        text = text.replace(variable, value)
    return text
