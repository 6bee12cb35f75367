from __future__ import annotations

from shared.store import audit
from shared.store.engine import reading, writing
from tests.shared.store.making import ORG


def test_lines_come_back_newest_first_in_pages_and_by_action(database: str) -> None:
    with writing() as connection:
        for number in range(3):
            audit.add(connection, ORG, "token", "queue.pause", f"queue:q{number}", why="x" * 9999, nothing=None)
        audit.add(connection, ORG, "token", "job.cancel", "job:1")
        audit.add(connection, "other", "token", "job.cancel", "job:2")
    with reading() as connection:
        newest, *rest = audit.page(connection, ORG, limit=2)
        assert (newest.action, newest.subject, newest.actor) == ("job.cancel", "job:1", "token")
        assert rest[0].detail == {"why": "x" * audit.MAX_DETAIL}
        assert [line.subject for line in audit.page(connection, ORG, limit=9, before=rest[0].seq)] == [
            "queue:q1",
            "queue:q0",
        ]
        assert len(audit.page(connection, ORG, limit=9, action="queue")) == 3
        assert len(audit.page(connection, ORG, limit=9, action="job.cancel")) == 1
        assert audit.page(connection, ORG, limit=9, action="que") == []


def test_odd_texts_are_kept_as_replacements(database: str) -> None:
    with writing() as connection:
        audit.add(connection, ORG, "token", "dlq.discard", "dead-letter:\x00", q="\x00\ud800")
    with reading() as connection:
        [line] = audit.page(connection, ORG, limit=1)
    assert "\x00" not in line.subject + line.detail["q"]
