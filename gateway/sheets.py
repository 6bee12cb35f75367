"""Findings as files: JSON lines, CSV and SARIF 2.1.0, made page by page, so that an export of any size fits."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from typing import Any

from gateway.auth import Caller
from shared.contracts.finding import Severity
from shared.contracts.weakness import FindingStatus, FindingView
from shared.store import weaknesses
from shared.store.engine import reading
from shared.store.weaknesses import Which
from shared.text import cell as defused

PAGE = 500  # read at a time
LIMIT = 100_000  # of one export
MAX_CELL = 32_000  # characters; Excel cuts a cell at 32,767
COLUMNS = (
    *("severity", "title", "target", "subject", "status", "note", "change", "points", "what", "why", "fix"),
    *("first_seen_at", "rule", "id", "job_id", "fingerprint"),
)


class SheetFormat(StrEnum):
    JSONL = "jsonl"
    CSV = "csv"
    SARIF = "sarif"


MEDIA_TYPES = {
    SheetFormat.JSONL: "application/jsonl",
    SheetFormat.CSV: "text/csv; charset=utf-8",
    SheetFormat.SARIF: "application/sarif+json",
}


def export(caller: Caller, which: Which, kind: SheetFormat) -> Iterator[bytes]:
    """Yield the pieces of a file. The first page is read when the first piece is asked for. Raises QueryWrong."""
    pages = _pages(caller, which)
    if kind is SheetFormat.SARIF:
        yield from _sarif(pages)
        return
    line: Callable[[Sequence[FindingView]], bytes] = _lines if kind is SheetFormat.JSONL else _cells
    first = next(pages, [])
    yield (b"" if kind is SheetFormat.JSONL else _row(COLUMNS).encode("utf-8-sig")) + line(first)
    for found in pages:
        yield line(found)


def _pages(caller: Caller, which: Which) -> Iterator[list[FindingView]]:
    before, left = "", LIMIT
    while left > 0:
        with reading(caller.org_id) as connection:
            found = weaknesses.page(connection, caller.org_id, which, limit=min(PAGE, left), before=before)
        left -= len(found)
        yield found
        if len(found) < PAGE:
            return
        before = found[-1].id


def _lines(found: Sequence[FindingView]) -> bytes:
    return b"".join(each.model_dump_json().encode() + b"\n" for each in found)


def _cells(found: Sequence[FindingView]) -> bytes:
    return b"".join(_row([_text(each, name) for name in COLUMNS]).encode() for each in found)


def _text(finding: FindingView, name: str) -> str:
    if name == "note":
        return finding.triage.note if finding.triage else ""
    value = getattr(finding, name)
    return value.isoformat() if hasattr(value, "isoformat") else "" if value is None else str(value)


def _row(cells: Sequence[str]) -> str:
    """Return one line of RFC 4180; every cell is one line too, and none is a formula."""
    text = io.StringIO(newline="")
    plain = (defused(" ".join(each.split())[:MAX_CELL]) for each in cells)
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(plain)
    return text.getvalue()


def _sarif(pages: Iterator[list[FindingView]]) -> Iterator[bytes]:
    first = next(pages, [])
    head = '{"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","runs":[{"tool":{"driver":'
    head += '{"name":"Vedette","rules":[]}},"results":['
    yield head.encode() + _results(first)
    for found in pages:
        yield (b"," if found else b"") + _results(found)
    yield b"]}]}\n"


def _results(found: Sequence[FindingView]) -> bytes:
    return ",".join(json.dumps(_result(each), ensure_ascii=False) for each in found).encode()


def _result(finding: FindingView) -> dict[str, Any]:
    settled = finding.status in {FindingStatus.FALSE_POSITIVE, FindingStatus.ACCEPTED_RISK}
    why = finding.triage.note if finding.triage else ""
    place = {"logicalLocations": [{"fullyQualifiedName": f"{finding.target} {finding.subject}"}]}
    return {
        "ruleId": finding.rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{finding.title}: {finding.what}"},
        "locations": [place],
        "partialFingerprints": {"vedette/v1": finding.fingerprint},
        "suppressions": [{"kind": "external", "status": "accepted", "justification": why}] if settled else [],
        "properties": {"severity": finding.severity, "job_id": finding.job_id, "fix": finding.fix},
    }


_LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
