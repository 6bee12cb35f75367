from __future__ import annotations

from datetime import UTC, datetime

import pytest

from services.process.judge import judge
from services.process.rules.host import checked
from services.process.rules.host.unidentified import places
from services.process.score import assess
from shared.contracts.finding import Finding
from shared.contracts.job import Profile
from shared.contracts.kinds.host import Target
from shared.contracts.observation import MAX_EVIDENCE, Coverage, Observation

AT = datetime(2026, 11, 22, tzinfo=UTC)


def seen(*ports: int, address: str = "10.0.0.5", name: str = "unknown") -> list[Observation]:
    place = f"[{address}]" if ":" in address else address
    data = {"address": address, "name": name}
    return [
        Observation(type="service", subject=f"tcp/{place}:{port}", data={**data, "port": port}, observed_at=AT)
        for port in ports
    ]


def found(*observations: Observation) -> list[Finding]:
    return [each for each in judge("host", observations, AT) if each.rule == "service-unidentified"]


def test_many_mute_ports_are_one_finding_that_lists_them_in_few_words_and_costs_nothing() -> None:
    [finding] = found(*seen(*range(4000, 4149), 9, 22), *seen(7, address="::1"), *seen(80, name="http"))
    assert finding.what == "152 open ports say nothing known. At 10.0.0.5: 9,22,4000-4148; at [::1]: 7."
    assert finding.subject == "host"
    assert assess([finding])[1].score == 100


def test_one_mute_port_is_told_as_one() -> None:
    [finding] = found(*seen(7))
    assert finding.what == "1 open port says nothing known. At 10.0.0.5: 7."


def test_ports_that_make_no_runs_are_all_in_the_evidence_and_cut_in_the_sentence() -> None:
    odd = range(10001, 12001, 2)
    [finding] = found(*seen(*odd))
    assert len(finding.what) < 400
    assert all(len(piece.text) < MAX_EVIDENCE for piece in finding.evidence)
    assert places(finding) == [f"tcp/10.0.0.5:{port}" for port in odd]


@pytest.mark.parametrize(("ports", "is_checked"), [("80-4001", True), ("80-4000", False), ("80", False)])
def test_it_is_gone_only_when_all_its_ports_were_checked(ports: str, is_checked: bool) -> None:
    [finding] = found(*seen(4000, 4001))
    data = {"name": "db", "addresses": ["10.0.0.5"], "answered": ["10.0.0.5"]}
    host = Observation(type="host", subject="host", data=data, observed_at=AT)
    now = [host, *seen(80, name="http")]
    assert checked(Target(host="db", ports=ports), Profile.QUICK, Coverage(), now)(finding) is is_checked
