from __future__ import annotations

from typing import Any

from services.report.tables import tables
from shared.contracts.observation import Observation
from tests.services.report.sample import NOW, typical


def seen(kind: str, subject: str = "tcp/192.0.2.1:80", **data: Any) -> Observation:
    return Observation(type=kind, subject=subject, data=data, observed_at=NOW)


def test_a_host_is_told_in_four_tables() -> None:
    found = tables(typical().observations)
    assert [table.title for table in found] == ["Machine", "Open ports and services", "TLS", "Web"]
    assert found[1].rows[0] == ("tcp/192.0.2.10:21", "ftp", "vsftpd 3.0.3", "no", "high", "1.1 ms")
    assert found[2].rows[0][3:] == ("CN=db.example.org", "2026-11-01", "certificate has expired")


def test_a_port_whose_service_was_not_recognised_keeps_its_row() -> None:
    (table,) = tables([seen("port", "tcp/a:1", group="low"), seen("service", "tcp/a:2", name="ssh")])
    assert [row[0] for row in table.rows] == ["tcp/a:2", "tcp/a:1"]


def test_ports_alone_are_a_table() -> None:
    (table,) = tables([seen("port", group="medium", latency_ms=0.5)])
    assert (table.title, table.rows) == ("Open ports", [("tcp/192.0.2.1:80", "medium", "0.5 ms")])


def test_columns_without_a_value_are_left_out() -> None:
    (table,) = tables([seen("http", url="http://a/", status=200)])
    assert table.columns == ("Address", "Status")
    assert len(table.widths) == len(table.code) == 2


def test_types_of_other_kinds_are_shown_with_their_facts() -> None:
    (table,) = tables([seen("cookie", "a.example", name="sid", secure=False, sent_to=["a", "b"], flags={"x": None})])
    assert table.title == "cookie facts"
    assert table.rows == [("a.example", "name: sid · secure: no · sent_to: a, b · flags: x: –")]


def test_a_cell_is_one_short_line() -> None:
    (table,) = tables([seen("odd", text="a\n" * 1000)])
    assert len(table.rows[0][1]) == 200
    assert "\n" not in table.rows[0][1]


def test_facts_of_the_wrong_shape_do_no_harm() -> None:
    (table,) = tables([seen("tls", chain="none", accepted=7, is_trusted="x")])
    assert table.rows[0][0] == "tcp/192.0.2.1:80"
