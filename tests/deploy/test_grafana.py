from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.deploy import queries, watching
from tests.deploy.queries import DASHBOARDS

PROVISIONING = watching.DEPLOY / "grafana" / "provisioning"
GRID = 24  # columns

each_dashboard = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


def test_there_are_three_dashboards_and_each_has_a_uid_of_its_own() -> None:
    assert [path.stem for path in DASHBOARDS] == ["dead-letters", "overview", "pipeline"]
    assert [queries.dashboard(path)["uid"] for path in DASHBOARDS] == [f"vedette-{path.stem}" for path in DASHBOARDS]


@each_dashboard
def test_panels_have_a_number_and_a_place_of_their_own(path: Path) -> None:
    panels = queries.dashboard(path)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= GRID, panel["title"]
    for one, other in itertools.combinations((panel["gridPos"] for panel in panels), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert beside or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


@each_dashboard
def test_a_panel_says_what_it_shows(path: Path) -> None:
    for panel in queries.dashboard(path)["panels"]:
        assert panel["title"]
        assert panel["type"] == "row" or panel["description"].endswith("."), panel["title"]


@each_dashboard
def test_every_panel_asks_the_chosen_prometheus(path: Path) -> None:
    document = queries.dashboard(path)
    assert document["templating"]["list"][0]["type"] == "datasource"
    for panel in document["panels"]:
        for target in panel.get("targets", []):
            assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_prometheus_understands_every_query(tmp_path: Path) -> None:
    asked = [{"record": f"asked:{number}", "expr": each.text} for number, each in enumerate(queries.of_dashboards())]
    made = watching.save({"groups": [{"name": "asked", "rules": asked}]}, tmp_path / "asked.yml")
    assert f"{len(asked)} rules found" in watching.run("promtool", "check", "rules", made)


def test_what_a_query_takes_as_recorded_is_recorded() -> None:
    recorded = {rule["record"] for rule in watching.rules() if "record" in rule}
    for query in [*queries.of_rules(), *queries.of_dashboards()]:
        assert query.recorded <= recorded, query.where
    assert recorded == {name for query in [*queries.of_rules(), *queries.of_dashboards()] for name in query.recorded}


def test_grafana_finds_the_dashboards_and_the_sources_where_compose_puts_them() -> None:
    compose = watching.load(watching.ROOT / "docker-compose.yml")["services"]
    mounts = [mount.split(":")[1] for mount in compose["grafana"]["volumes"]]
    (provider,) = watching.load(PROVISIONING / "dashboards" / "vedette.yml")["providers"]
    assert provider["options"]["path"] in mounts
    home = Path(compose["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert str(home.parent) in mounts
    assert home.name in {path.name for path in DASHBOARDS}
    for source in watching.load(PROVISIONING / "datasources" / "vedette.yml")["datasources"]:
        assert source["url"].split("//")[1].partition(":")[0] in compose
