"""CSV for triage in a spreadsheet: one line per finding, worst first, then those of earlier scans that were
not checked again (`standing`) and those that are gone (`fixed`).

RFC 4180 (CRLF, quotes) in UTF-8 with a byte order mark, so that Excel reads it. Every cell is one line. Cells cannot
become formulas (OWASP, CSV Injection), neither with `,` nor with `;` as the reader's separator.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from services.report import printable
from shared.contracts.finding import ChangeState, Finding
from shared.contracts.report import ReportDocument
from shared.text import cell

MEDIA_TYPE = "text/csv; charset=utf-8"
EXTENSION = "csv"
COLUMNS = (
    *("severity", "title", "subject", "change", "points", "confidence", "what", "why", "fix", "references"),
    *("evidence", "first_seen_at", "rule", "target", "job_id", "fingerprint"),
)

MAX_CELL = 32_000  # characters; Excel cuts a cell at 32,767


def render(document: ReportDocument) -> bytes:
    written = io.StringIO(newline="")
    writer = csv.writer(written, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for finding in document.findings:
        writer.writerow(safe_cell(text) for text in _cells(document, finding, finding.change))
    for state, earlier in ((ChangeState.STANDING, document.standing), (ChangeState.FIXED, document.fixed)):
        for finding in earlier:
            writer.writerow(safe_cell(text) for text in _cells(document, finding, state))
    return written.getvalue().encode("utf-8-sig")


def safe_cell(text: str) -> str:
    """Return `text` in one line that no spreadsheet takes for a formula: an apostrophe goes before the sign."""
    return cell(printable.line(text, MAX_CELL))


def _cells(document: ReportDocument, finding: Finding, change: str) -> Iterator[str]:
    yield from (finding.severity.value, finding.title, finding.subject, change, f"{finding.points:g}")
    yield from (finding.confidence.value, finding.what, finding.why, finding.fix)
    yield " ".join(reference.url for reference in finding.references)
    yield " | ".join(f"{evidence.source}: {evidence.text}" for evidence in finding.evidence)
    yield finding.first_seen_at.isoformat() if finding.first_seen_at else ""
    yield from (finding.rule, document.job.target, document.job.id, finding.fingerprint)
