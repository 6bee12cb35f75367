from __future__ import annotations

import json
from typing import Any

from services.report import layout, paper
from shared.contracts.observation import Evidence, Observation
from tests.services.report.sample import NOW, document, finding, hostile, huge

FULL_ANNEX = Observation(
    type="x",
    subject="s",
    data={},
    evidence=[Evidence(source=str(number), text="x" * 4000) for number in range(paper.ANNEX // 4000)],
    observed_at=NOW,
)


def entries(data: Any) -> list[Any]:
    return [place["entry"] for group in data["groups"] for each in group["weaknesses"] for place in each["places"]]


def evidence(data: Any) -> list[Any]:
    """The pieces of evidence of each finding."""
    return [entry["evidence"] for entry in entries(data)]


def test_long_evidence_that_does_not_fit_into_the_annex_is_shortened_and_said_to_be() -> None:
    pieces = [Evidence(source="a", text="x" * 4000)] * 5
    report = document(findings=[finding(evidence=pieces)], observations=[FULL_ANNEX])
    data = json.loads(paper.data(layout.build(report)))
    (shown,) = evidence(data)
    assert len(shown) == paper.PER_FINDING
    assert len(shown[0]["text"]) == paper.EXHIBIT + 1
    assert (shown[0]["number"], shown[0]["note"]) == (0, "shortened here; whole in the JSON report")


def test_evidence_of_the_annex_is_shown_by_its_head_and_whole_in_the_annex() -> None:
    report = document(findings=[finding(evidence=[Evidence(source="a", text="x" * 4000)])])
    data = json.loads(paper.data(layout.build(report)))
    ((piece,),) = evidence(data)
    assert (piece["number"], len(piece["head"])) == (1, 600)
    assert [(held["number"], len(held["text"])) for held in data["annex"]] == [(1, 4000)]


def test_a_weakness_with_more_places_than_the_limit_is_described_up_to_it() -> None:
    many = [finding(subject=str(number), fingerprint=str(number)) for number in range(paper.FULL + 5)]
    data = json.loads(paper.data(layout.build(document(findings=many, fixed=many))))
    assert [entry["number"] for entry in entries(data)] == list(range(1, paper.FULL + 1))
    assert [entry["number"] for entry in data["brief"]["high"]] == list(range(paper.FULL + 1, paper.FULL + 6))
    assert sum(len(each["places"]) for each in data["fixed"]) == paper.FULL


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
    full = [len(entries({"groups": [group]})) for group in data["groups"]]
    brief = [len(data["brief"][group["severity"]]) for group in data["groups"]]
    assert (full, brief) == ([200, 200, 0, 0, 0], [0, 0, 200, 200, 200])


def test_hostile_text_stays_json() -> None:
    data = json.loads(paper.data(layout.build(hostile())))
    assert data["target"].startswith("<script>")
