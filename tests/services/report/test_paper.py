from __future__ import annotations

import json

from services.report import layout, paper
from shared.contracts.observation import Evidence, Observation
from tests.services.report.sample import NOW, document, finding, hostile, huge


def test_long_evidence_is_shortened_and_said_to_be() -> None:
    pieces = [Evidence(source="a", text="x" * 4000)] * 5
    data = json.loads(paper.data(layout.build(document(findings=[finding(evidence=pieces)]))))
    shown = next(group for group in data["groups"] if group["count"])["entries"][0]["evidence"]
    assert len(shown) == paper.PER_FINDING
    assert len(shown[0]["text"]) == paper.EXHIBIT + 1
    assert shown[0]["note"] == "shortened here; whole in the JSON report"


def test_what_does_not_fit_into_the_annex_is_counted() -> None:
    seen = [
        Observation(
            type="x", subject=str(n), data={}, evidence=[Evidence(source="s", text="x" * 1000)], observed_at=NOW
        )
        for n in range(100)
    ]
    data = json.loads(paper.data(layout.build(document(observations=seen))))
    assert (len(data["annex"]), data["left_out"]) == (60, 40)


def test_beyond_the_limit_findings_are_listed_in_short() -> None:
    data = json.loads(paper.data(layout.build(huge(1000, 0))))
    full = [len(group["entries"]) for group in data["groups"]]
    brief = [len(data["brief"][group["severity"]]) for group in data["groups"]]
    assert (full, brief) == ([200, 200, 0, 0, 0], [0, 0, 200, 200, 200])


def test_hostile_text_stays_json() -> None:
    data = json.loads(paper.data(layout.build(hostile())))
    assert data["target"].startswith("<script>")
