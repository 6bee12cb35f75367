"""`vedette stats` against a real gateway."""

from __future__ import annotations

import csv
import io
import json
import signal

import pytest

from tests.vedette.lab import Lab, Vedette
from tests.vedette.terminal import Terminals, until


def test_a_screen_says_what_ended_and_how_long_the_stages_took(done: str, vedette: Vedette) -> None:
    ran = vedette("stats")
    assert ran.code == 0
    for said in ("Last 24 h", "ended", "success", "succeeded", "p95", "now", "scan", "notify", "host  standard"):
        assert said in ran.out
    assert all(len(line) <= 80 for line in ran.out.splitlines())


def test_json_has_all_of_it(done: str, vedette: Vedette) -> None:
    found = json.loads(vedette("stats", "--since", "7d", "-o", "json").out)
    assert list(found) == ["since", "as_of", "every", "overview", "stages", "kinds", "dead_letters", "series"]
    assert (found["every"], len(found["series"])) == ("day", 8)
    assert found["overview"]["finished"] == sum(sum(each["states"].values()) for each in found["series"]) >= 1
    assert [stage["stage"] for stage in found["stages"]] == ["scan", "process", "report", "notify"]
    part = json.loads(vedette("stats", "-o", "json", "--fields", "overview.finished").out)
    assert part == {"overview.finished": found["overview"]["finished"]}


def test_lines_and_csv_have_an_interval_each(done: str, vedette: Vedette) -> None:
    rows = list(csv.DictReader(io.StringIO(vedette("stats", "--since", "24h", "-o", "csv").out)))
    assert len(rows) == 25
    assert sum(int(row["states.succeeded"]) for row in rows) >= 1
    assert rows[0]["states.dead"] == "0"
    lines = vedette("stats", "--by", "day", "-o", "jsonl", "--fields", "at,states.succeeded").out.splitlines()
    assert [sorted(json.loads(line)) for line in lines] == [["at", "states.succeeded"]] * 2
    assert vedette("stats", "--by", "day", "--fields", "at,p95_s").out.startswith("at")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--since", "90s"), "12h or 7d"),
        (("-o", "id"), "-o json"),
        (("--by", "minute", "--since", "7d"), "36 hours"),
        (("--watch", "-o", "json"), "--watch"),
        (("--by", "week"), "week"),
        (("--fields", "nope"), "nope"),
    ],
    ids=["since", "id", "minutes", "watch", "by", "fields"],
)
def test_what_cannot_be_had_says_what_can(lab: Lab, vedette: Vedette, wrong: tuple[str, ...], said: str) -> None:
    ran = vedette("stats", *wrong)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


def test_it_is_watched_until_ctrl_c(done: str, terminals: Terminals) -> None:
    child, screen = terminals.run(80, "stats", "--watch")
    assert "Last 24 h" in until(screen, "ead letter")
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == 130
