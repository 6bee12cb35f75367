from __future__ import annotations

import csv
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.report.formats import csv as format_csv
from shared.contracts.finding import ChangeState
from shared.contracts.report import ReportDocument
from tests.services.report import sample
from tests.services.report.documents import documents

SIGNS = "=+-@＝＋－＠"


def rows(document: ReportDocument) -> list[dict[str, str]]:
    text = format_csv.render(document).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_each_finding_is_one_line_and_the_earlier_ones_follow_marked() -> None:
    document = sample.typical()
    read = rows(document)
    assert [row["title"] for row in read[:14]] == [finding.title for finding in document.findings]
    assert [row["change"] for row in read[14:]] == [ChangeState.STANDING, ChangeState.FIXED]
    assert format_csv.render(document).count(b"\r\n") == 1 + 16
    assert format_csv.render(document).count(b"\n") == 1 + 16


def test_a_report_without_findings_has_the_header_alone() -> None:
    assert format_csv.render(sample.document()).decode("utf-8-sig").strip() == ",".join(
        f'"{column}"' for column in format_csv.COLUMNS
    )


def test_excel_finds_its_byte_order_mark() -> None:
    assert format_csv.render(sample.document()).startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("before", ["", " ", '"', "'", "\t", "\r", '" ', "\u200b", "a;", 'a;"', "a\t"])
def test_no_cell_can_become_a_formula(sign: str, before: str) -> None:
    cell = format_csv.safe_cell(f"{before}{sign}cmd|' /C calc'!A0")
    for piece in cell.split(";"):
        assert not piece.lstrip("\"' \u200c\u200d").startswith(tuple(SIGNS)) or piece.startswith("'")


def test_ordinary_text_is_left_alone() -> None:
    for text in ("Redis 6.0-rc1 answers", "a = b", "user@example.org", "tcp/192.0.2.10:6379", "1; 2"):
        assert format_csv.safe_cell(text) == text


@given(st.text())
def test_any_cell_is_one_line_that_starts_harmless(text: str) -> None:
    cell = format_csv.safe_cell(text)
    assert not cell.startswith((*SIGNS, "\t", "\r", "\n"))
    assert len(cell.splitlines()) <= 1


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents)
def test_every_document_reads_back_with_a_row_per_finding(document: ReportDocument) -> None:
    read = rows(document)
    assert len(read) == len(document.findings) + len(document.standing) + len(document.fixed)
    assert all(set(row) == set(format_csv.COLUMNS) for row in read)
