from __future__ import annotations

import pytest

from services.report import exhibits
from shared.contracts.observation import Evidence, Observation
from tests.services.report.sample import NOW, finding

BANNER = Evidence(source="banner", text="SSH-2.0", truncated=True)


def seen(kind: str, subject: str, *evidence: Evidence) -> Observation:
    return Observation(type=kind, subject=subject, data={}, evidence=list(evidence), observed_at=NOW)


def test_the_annex_holds_each_text_once_per_subject() -> None:
    pairs = (("port", "a"), ("service", "a"), ("service", "b"))
    annex = list(exhibits.annex(seen(kind, subject, BANNER) for kind, subject in pairs).values())
    assert [(piece.number, piece.source) for piece in annex] == [(1, "a · banner"), (2, "b · banner")]
    assert annex[0].note == "cut when it was captured"


def test_the_annex_holds_what_only_findings_have_beside_the_rest_of_its_subject() -> None:
    found = [finding(subject="a", evidence=[BANNER, Evidence(source="TLS", text="TLSv1")])]
    annex = exhibits.annex([seen("port", "a", BANNER), seen("port", "b", BANNER)], found)
    assert [piece.source for piece in annex.values()] == ["a · banner", "a · TLS", "b · banner"]


def test_evidence_of_a_finding_carries_its_number_in_the_annex() -> None:
    annex = exhibits.annex([seen("port", "a", BANNER), seen("port", "b", BANNER)])
    other = Evidence(source="banner", text="SSH-1.99")
    pieces = exhibits.behind(finding(subject="b", evidence=[BANNER, other]), annex)
    assert [(piece.number, piece.text) for piece in pieces] == [(2, "SSH-2.0"), (0, "SSH-1.99")]


@pytest.mark.parametrize("text", ["", "one line", "\n".join("abcdefghij"), "x" * 750])
def test_a_short_text_has_no_head(text: str) -> None:
    assert exhibits.head(text) == ""


def test_the_head_of_a_long_text_is_eight_lines_or_six_hundred_characters() -> None:
    assert exhibits.head("\n".join(map(str, range(30)))) == "0\n1\n2\n3\n4\n5\n6\n7"
    assert exhibits.head("x" * 4000) == "x" * 600
