"""The audit as a file: JSON lines or CSV, oldest first, a page at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Literal

from gateway.auth import Caller
from shared.contracts.audit import AuditEntry, AuditFilter
from shared.store import audit
from shared.store.engine import reading
from shared.text import cell

Format = Literal["jsonl", "csv"]
MEDIA_TYPES = {"jsonl": "application/jsonl", "csv": "text/csv; charset=utf-8"}
PAGE = 500

_COLUMNS = tuple(AuditEntry.model_fields)


def export(caller: Caller, which: AuditFilter, form: Format) -> Iterator[bytes]:
    """Yield the entries as they were written until now; the first page is read when the first is asked for."""
    write = _lines if form == "jsonl" else _rows
    after, head = 0, b"" if form == "jsonl" else _row(_COLUMNS)
    while True:
        with reading(caller.org_id) as connection:
            found = audit.following(connection, caller.org_id, after, limit=PAGE, which=which)
        yield head + write(found)
        if len(found) < PAGE:
            return
        after, head = found[-1].seq, b""


def _lines(found: list[AuditEntry]) -> bytes:
    return b"".join(one.model_dump_json().encode() + b"\n" for one in found)


def _rows(found: list[AuditEntry]) -> bytes:
    return b"".join(_row([_cell(value) for value in one.model_dump(mode="json").values()]) for one in found)


def _cell(value: object) -> str:
    if value is None or isinstance(value, int | float):
        return "" if value is None else str(value)
    return cell(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _row(cells: list[str] | tuple[str, ...]) -> bytes:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow(cells)
    return written.getvalue().encode()
