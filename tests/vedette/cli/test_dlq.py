"""`vedette dlq` and `operations` against a real gateway, on rows as the ingester leaves them."""

from __future__ import annotations

import csv
import io
import json
import signal
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine, delete, insert

from shared.ids import new_id, now
from shared.store.tables import dead_letters
from tests.vedette.lab import Lab, Vedette
from tests.vedette.terminal import Terminals, until

RAW = b'{"headers": {"id": "j.scan", "task": "scan.run"}, "properties": {}, "body": "[[], {}, {}]"}'
HOST = {"error_type": "HostUnreachable", "code": "host-unreachable", "message": "No answer."}
DISK = {"error_type": "DiskFull", "code": "disk-full", "message": "The disk is full."}
Bury = Callable[..., str]


@pytest.fixture
def bury(lab: Lab) -> Iterator[Bury]:
    """Write a dead letter into an empty store; return its id."""
    engine = create_engine(lab.environment["VEDETTE_DATABASE_URL"])

    def write(**fields: Any) -> str:
        letter_id = new_id()
        row = {
            "id": letter_id,
            "org_id": "local",
            "target": "10.0.0.7",
            "target_kind": "host",
            "queue": "scan",
            "stage": "scan",
            "reason": "stage-failed",
            "failure_class": "external",
            "state": "open",
            "raw": RAW,
            "fingerprint": "aaaa",
            "first_failed_at": now() - timedelta(hours=2),
            "last_failed_at": now(),
            **HOST,
            **fields,
        }
        row["error"] = {"type": row["error_type"], "code": row["code"], "message": row["message"]}
        with engine.begin() as connection:
            connection.execute(insert(dead_letters), row)
        return letter_id

    with engine.begin() as connection:
        connection.execute(delete(dead_letters))
    yield write
    engine.dispose()


def test_groups_are_listed_with_counts_the_largest_first(bury: Bury, vedette: Vedette) -> None:
    for _ in range(3):
        bury()
    bury(fingerprint="bbbb", failure_class="resource", stage="report", **DISK)
    ran = vedette("dlq", "list", "--group")
    first, second = ran.out.splitlines()[1:]
    assert first.split()[:3] == ["3", "3", "external"]
    assert "DiskFull: The disk is full." in second
    assert "--group-id aaaa" in ran.err
    assert vedette("dlq", "list", "--group", "-o", "id").out.split() == ["aaaa", "bbbb"]
    assert vedette("dlq", "list", "--group", "--class", "resource", "-o", "id").out.split() == ["bbbb"]
    assert vedette("dlq", "list", "--group-id", "bbbb", "-o", "csv", "--fields", "stage").out == "stage\nreport\n"


def test_items_are_found_by_filters_and_by_queries(bury: Bury, vedette: Vedette) -> None:
    bury()
    wanted = bury(failure_class="resource", stage="report", state="snoozed", target="127.0.0.3")
    for which in (
        ["--class", "resource"],
        ["--stage", "report"],
        ["--state", "snoozed"],
        ["-q", "target:127.0.0.0/8"],
        ["-q", "class:resource stage:report"],
    ):
        assert vedette("dlq", "list", *which, "-o", "id").out.split() == [wanted], which
    table = vedette("dlq", "list")
    assert wanted[-8:] in table.out
    assert "HostUnreachable: No answer." in table.out
    assert "more than 1" in vedette("dlq", "list", "--limit", "1").err


def test_a_wrong_query_says_where_and_exits_2(bury: Bury, vedette: Vedette) -> None:
    ran = vedette("dlq", "list", "-q", "colour:red")
    assert (ran.code, ran.out) == (2, "")
    assert "character 1" in ran.err


def test_an_empty_queue_says_so_on_stderr_alone(bury: Bury, vedette: Vedette) -> None:
    for more in ([], ["--group"]):
        ran = vedette("dlq", "list", *more)
        assert (ran.code, ran.out) == (0, "")
        assert "No dead letters." in ran.err


def test_one_is_shown_by_a_piece_of_its_id_with_its_message(bury: Bury, vedette: Vedette) -> None:
    letter = bury()
    sheet = vedette("dlq", "get", letter[-8:])
    assert letter in sheet.out
    assert "No answer." in sheet.out
    assert '"task": "scan.run"' in vedette("dlq", "get", letter, "--payload").out
    assert json.loads(vedette("dlq", "get", letter, "-o", "json").out)["id"] == letter
    assert vedette("dlq", "get", "ffffffff").code == 5


def test_one_is_classed_anew_and_put_aside(bury: Bury, vedette: Vedette) -> None:
    letter = bury()
    assert "is permanent now" in vedette("dlq", "classify", letter[-8:], "permanent").out
    assert "put aside until" in vedette("dlq", "snooze", letter[-8:], "--for", "2h").out
    found = json.loads(vedette("dlq", "get", letter, "-o", "json").out)
    assert (found["failure_class"], found["state"]) == ("permanent", "snoozed")


def test_an_export_has_one_json_object_a_line_or_csv(bury: Bury, vedette: Vedette) -> None:
    made = {bury() for _ in range(3)}
    assert {json.loads(line)["id"] for line in vedette("dlq", "export").out.splitlines()} == made
    rows = csv.DictReader(io.StringIO(vedette("dlq", "export", "-o", "csv", "--fields", "id,error.code").out))
    assert {row["id"] for row in rows} == made
    assert vedette("dlq", "export", "-q", "class:security").out == ""


def test_what_is_discarded_is_counted_first(bury: Bury, vedette: Vedette) -> None:
    one, *_ = [bury() for _ in range(3)]
    unasked = vedette("dlq", "discard", "-q", "class:external")
    assert unasked.code == 2
    assert "Add --expect 3" in unasked.err
    wrong = vedette("dlq", "discard", "-q", "class:external", "--expect", "2")
    assert wrong.code == 6
    assert "3 dead letters now, not 2" in wrong.err
    assert "3 of 3" in vedette("dlq", "discard", "-q", "class:external", "--dry-run").out
    named = vedette("dlq", "discard", one[-8:], "--expect", "1", "--reason", "gone")
    assert named.code == 0, named.err
    assert "1 of 1 discarded" in named.out
    assert vedette("dlq", "clear", "--expect", "2").code == 0
    assert vedette("dlq", "list", "--state", "open").out == ""
    assert "No dead letter that could be" in vedette("dlq", "clear").err


def test_whoever_is_asked_at_a_terminal_types_the_count(bury: Bury, terminals: Terminals) -> None:
    for _ in range(2):
        bury()
    child, screen = terminals.run(80, "dlq", "clear")
    until(screen, "Type 2 to go on: ")
    terminals.type(screen, "2\n")
    until(screen, "2 of 2 discarded")
    assert child.wait(30) == 0


def test_ctrl_c_at_the_question_changes_nothing(bury: Bury, terminals: Terminals, vedette: Vedette) -> None:
    letter = bury()
    child, screen = terminals.run(80, "dlq", "clear")
    until(screen, "to go on: ")
    child.send_signal(signal.SIGINT)
    assert child.wait(30) == 130
    assert json.loads(vedette("dlq", "get", letter, "-o", "json").out)["state"] == "open"


def test_operations_are_listed_and_one_that_is_over_cannot_be_stopped(bury: Bury, vedette: Vedette) -> None:
    bury()
    begun = vedette("dlq", "clear", "--expect", "1", "--no-wait", "-o", "id")
    operation = begun.out.strip()
    waited = vedette("operations", "get", operation[-8:], "--wait")
    assert waited.code == 0
    assert "done" in waited.out
    assert operation[-8:] in vedette("operations", "list").out
    assert vedette("operations", "stop", operation).code == 6
    assert vedette("operations", "get", "ffffffff").code == 5
    assert vedette("operations", "get", "../x").code == 2


def test_ctrl_c_leaves_an_operation_running_and_it_is_paused_and_stopped_later(
    bury: Bury, terminals: Terminals, vedette: Vedette
) -> None:
    for _ in range(3):
        bury()
    child, screen = terminals.run(80, "dlq", "replay", "--all", "--rate", "1/m")
    said = until(screen, "pause or stop: vedette operations pause|stop ")
    assert "of 3 replayed" in said
    child.send_signal(signal.SIGINT)
    until(screen, "vedette operations stop ")
    assert child.wait(30) == 130
    operation = vedette("operations", "list", "--limit", "1", "-o", "id").out.strip()
    assert "paused" in vedette("operations", "pause", operation[-8:]).out
    assert "paused" not in vedette("operations", "resume", operation[-8:]).out
    assert "stopped" in vedette("operations", "stop", operation[-8:]).out
    assert vedette("operations", "get", operation, "--wait").code == 1


def test_a_rule_that_is_not_there_is_named_as_that(lab: Lab, vedette: Vedette) -> None:
    ran = vedette("dlq", "rules", "remove", "deadbeef")
    assert ran.code == 5
    assert "There is no rule with this id." in ran.err
    assert "fix: List them: vedette dlq rules list" in ran.err


def test_a_dead_letter_that_is_not_there_says_how_to_list_them(lab: Lab, vedette: Vedette) -> None:
    ran = vedette("dlq", "discard", "deadbeef", "--expect", "1")
    assert "fix: List: vedette dlq list" in ran.err
