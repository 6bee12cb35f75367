"""The span store: batches once, by job and by trace, of one organisation, bounded, until they are old."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest

from shared.contracts.record import RecordBatch, SpanRecord
from shared.ids import new_id, now
from shared.store import records
from shared.store.engine import reading, writing

pytestmark = pytest.mark.usefixtures("database")
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def batch(*names: str, job_id: str = "j", org_id: str = "o", trace_id: str = TRACE, dropped: int = 0) -> RecordBatch:
    spans = [
        SpanRecord(trace_id=trace_id, span_id=f"{n:016x}", name=name, began_ns=len(name), ended_ns=99)
        for n, name in enumerate(names)
    ]
    made = {"id": new_id(), "org_id": org_id, "job_id": job_id, "service": "scan", "process": "h:1"}
    return RecordBatch(spans=spans, dropped=dropped, **made)  # type: ignore[arg-type]


def kept(*batches: RecordBatch) -> None:
    with writing() as connection:
        records.keep(connection, batches)


def test_spans_come_by_their_beginning_with_who_made_them() -> None:
    kept(batch("ccc", "a"), batch("bb"))
    with reading() as connection:
        found = records.of_job(connection, "j", TRACE)
    assert [span.name for span in found] == ["a", "bb", "ccc"]
    assert [(span.attributes["service.name"], span.attributes["process"]) for span in found] == [("scan", "h:1")] * 3


def test_a_job_has_its_own_spans_and_those_of_the_request_and_a_trace_has_all() -> None:
    kept(batch("mine"), batch("other", job_id="k"), batch("request", job_id=""), batch("elsewhere", trace_id="1" * 32))
    with reading() as connection:
        assert {span.name for span in records.of_job(connection, "j", TRACE)} == {"mine", "request"}
        assert {span.name for span in records.of_trace(connection, TRACE)} == {"mine", "other", "request"}
        assert records.of_job(connection, "none", "0" * 32) == []


def test_how_much_there_is_and_what_was_dropped_is_known_without_reading_it() -> None:
    kept(batch("a", "b", dropped=3), batch("c", job_id="k"), batch("r", job_id=""))
    with reading() as connection:
        mine, all_ = records.extent(connection, TRACE, "j"), records.extent(connection, TRACE)
    assert (mine.spans, mine.dropped, mine.job_ids) == (3, 3, ["j"])
    assert (all_.spans, all_.dropped, sorted(all_.job_ids)) == (4, 3, ["j", "k"])


def test_another_organisation_sees_none_of_them() -> None:
    kept(batch("mine"), batch("theirs", org_id="p"))
    with reading("p") as connection:
        assert [span.name for span in records.of_trace(connection, TRACE)] == ["theirs"]
        assert records.extent(connection, TRACE).spans == 1


def test_of_very_many_only_so_many_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MOST", 5)
    kept(*(batch("a", "b") for _ in range(5)))
    with reading() as connection:
        assert len(records.of_trace(connection, TRACE)) == 5


def test_what_is_old_goes_in_pieces() -> None:
    kept(*(batch("a") for _ in range(5)))
    with writing() as connection:
        assert records.forget(connection, now() - timedelta(hours=1)) == 0
        assert [records.forget(connection, now() + timedelta(hours=1), limit=3) for _ in range(3)] == [3, 2, 0]


def test_a_batch_without_spans_is_no_row() -> None:
    kept(batch())
    with reading() as connection:
        assert records.extent(connection, TRACE).spans == 0


def test_thousands_of_spans_that_others_put_into_a_trace_are_not_all_read(monkeypatch: pytest.MonkeyPatch) -> None:
    kept(*[batch("a", "b", job_id=f"j{n}") for n in range(20)])
    monkeypatch.setattr(records, "MOST", 5)
    read: list[bytes] = []
    whole = records._SPANS.validate_json
    counting = SimpleNamespace(validate_json=lambda text: read.append(text) or whole(text))  # type: ignore[func-returns-value]
    monkeypatch.setattr(records, "_SPANS", counting)
    with reading() as connection:
        assert len(records.of_trace(connection, TRACE)) == 5
    assert len(read) == 3
