from __future__ import annotations

import json

import pytest

from tests.vedette.lab import Lab, Vedette


@pytest.fixture(autouse=True)
def done(lab: Lab, vedette: Vedette) -> None:
    del lab
    assert vedette("queues", "pause", "scan.heavy", "--reason", "window").code == 0
    assert vedette("queues", "resume", "scan.heavy").code == 0


def test_who_did_what_is_listed_and_found_again(vedette: Vedette) -> None:
    ran = vedette("audit", "list", "--action", "queue.pause", "--limit", "1", "-o", "json")
    [line] = json.loads(ran.out)
    assert (line["actor"], line["subject"], line["reason"]) == ("token", "queue:scan.heavy", "window")
    assert vedette("audit", "list", "--since", "2999-01-01").out == ""
    assert vedette("audit", "list", "--since", "soon").code == 2


def test_an_audit_that_is_right_says_so_and_tells_what_to_keep(vedette: Vedette) -> None:
    ran = vedette("audit", "verify")
    assert (ran.code, "as they were written" in ran.out) == (0, True)
    kept = ran.out.split()[-1]
    assert vedette("audit", "verify", "--known", kept).code == 0
    assert vedette("audit", "verify", "--known", "abc").code == 2  # a slip is not a theft
    lost = vedette("audit", "verify", "--known", "f" * 64)
    assert (lost.code, lost.out) == (1, "")
    assert "cut-off" in lost.err


def test_an_export_has_all_lines_oldest_first(vedette: Vedette) -> None:
    lines = [json.loads(line) for line in vedette("audit", "export").out.splitlines()]
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert vedette("audit", "export", "-o", "csv").out.startswith("id,org_id,seq,at,actor")
