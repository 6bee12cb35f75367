from __future__ import annotations

import pytest

from services.report import entries
from shared.contracts.finding import ChangeState, Reference, Severity
from shared.contracts.observation import Evidence
from tests.services.report.sample import finding


def test_findings_are_numbered_worst_first() -> None:
    found = entries.entries(
        [finding(Severity.LOW), finding(Severity.CRITICAL, title="b"), finding(Severity.CRITICAL)], 5
    )
    assert [(entry.number, entry.severity) for entry in found] == [(5, "critical"), (6, "critical"), (7, "low")]
    assert found[0].title == "b"


@pytest.mark.parametrize(
    "url",
    [
        *(
            "javascript:alert(1)",
            "http://example.org/",
            "data:text/html,x",
            "//example.org",
            "https://",
            "",
            "https:///x",
        ),
        *(
            "https://user@example.org/",
            "https://exa mple.org",
            "https://ex\u0430mple.org/",
            "https://a\n.org",
            "https://[",
        ),
        *("\x01https://example.org/", "HTTPS:example.org"),
    ],
)
def test_only_plain_https_addresses_become_links(url: str) -> None:
    (entry,) = entries.entries([finding(references=[Reference(title="t", url=url)])])
    assert entry.links == [entries.Link("t", "")]


def test_an_https_address_is_a_link_and_its_own_title_if_it_has_none() -> None:
    url = "https://example.org/a?b=c#d"
    (entry,) = entries.entries([finding(references=[Reference(title="", url=url)])])
    assert entry.links == [entries.Link(url, url)]


def test_only_new_and_returned_findings_count_as_changed() -> None:
    changed = {state for state in ChangeState if entries.entries([finding(change=state)])[0].is_changed}
    assert changed == {ChangeState.NEW, ChangeState.REOPENED}


def test_empty_evidence_is_said_to_be_empty() -> None:
    (entry,) = entries.entries([finding(evidence=[Evidence(source="", text="")])])
    assert (entry.evidence[0].source, entry.evidence[0].text) == ("–", "(empty)")


def test_findings_of_one_kind_stand_together_under_the_severity_they_have() -> None:
    given = [finding(rule="a"), finding(rule="b"), finding(rule="a", subject="x"), finding(Severity.LOW, rule="a")]
    found = entries.entries(given)
    assert [(entry.number, entry.rule, entry.severity) for entry in found] == [
        (1, "a", "high"),
        (2, "a", "high"),
        (3, "b", "high"),
        (4, "a", "low"),
    ]
