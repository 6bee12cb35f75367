"""Results on stdout: a table for people; JSON, JSON lines, CSV or ids for programs."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.text import cell
from vedette.cli import words
from vedette.cli.failure import Misused
from vedette.cli.session import Session

if TYPE_CHECKING:
    from pydantic import BaseModel

Record = Mapping[str, Any]
NARROW = 100  # columns below which times are told without year and seconds
_ID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
WIDE = 1000  # columns of a table that no terminal shows: nothing is cut

# JSON may hold these inside strings only, where an escape is the same; a terminal or an editor would obey them.
_HIDDEN = re.compile("[\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def records(
    session: Session, items: Sequence[BaseModel] | Sequence[Record], columns: Sequence[str], *, empty: str
) -> None:
    """Print many records; `columns` are those that people see. `empty` is what is said when there are none."""
    rows = [_plain(item) for item in items]
    check_fields(session, rows)
    chosen = session.fields or tuple(columns)
    if session.output == "table":
        table(session, rows, chosen) if rows else session.note(empty)
    elif session.output == "json":
        print(_json([_only(row, session.fields) for row in rows], indent=2))
    elif session.output == "jsonl":
        for row in rows:
            print(_json(_only(row, session.fields)))
    elif session.output == "csv":
        _csv(rows, chosen)
    else:
        _ids(rows)


def record(session: Session, item: BaseModel | Record) -> None:
    """Print one record for programs (every format but the table)."""
    row = _plain(item)
    check_fields(session, [row])
    if session.output == "json":
        print(_json(_only(row, session.fields), indent=2))
    elif session.output == "jsonl":
        print(_json(_only(row, session.fields)))
    elif session.output == "csv":
        _csv([row], session.fields or tuple(row))
    elif session.output == "id":
        _ids([row])
    else:
        table(session, [row], session.fields or tuple(row))


def check_fields(session: Session, rows: Sequence[Record]) -> None:
    """Raise Misused when --fields names what no record has."""
    for name in session.fields if rows else ():
        first = name.partition(".")[0]
        if not any(first in row for row in rows):
            raise Misused(f"There is no field {name!r}.", cure=f"There is: {', '.join(rows[0])}.")
        if not any(_leads(row, name) for row in rows):
            raise Misused(
                f"There is no field {name!r}.", cure=f"It would be inside `{first}`: -o json --fields {first}"
            )


def _leads(row: Record, name: str) -> bool:
    """Whether each dot of `name` stands behind a record, or behind something that is not there yet."""
    *path, _ = name.split(".")
    values = [_value(row, ".".join(path[: place + 1])) for place in range(len(path))]
    return all(value is None or isinstance(value, Mapping) for value in values)


def table(session: Session, rows: Sequence[Record], columns: Sequence[str]) -> None:
    """Print a table: fitted to the terminal's width, or whole where there is no terminal."""
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from vedette.cli import narrow  # noqa: PLC0415

    console = session.console()
    if not console.is_terminal:
        console.width = WIDE
    tell = _narrowed if console.width < NARROW else lambda _, text: text
    lines = [[tell(name, words.line(_cell(name, _value(row, name)))) for name in columns] for row in rows]
    if not session.fields:  # what was asked for is shown
        places = narrow.left(columns, [[_heading(name) for name in columns], *lines], console.width)
        columns, lines = [columns[place] for place in places], [[line[place] for place in places] for line in lines]
    shown = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    for name in columns:
        shown.add_column(_heading(name), overflow="fold", no_wrap=name in _SHORT)
    for line in lines:
        shown.add_row(*(Text(text, style=_style(name, text)) for name, text in zip(columns, line, strict=True)))
    console.print(shown)


_SHORT = {
    *("id", "state", "severity", "severities", "score", "grade", "created_at", "total_s"),
    *("format", "kind", "change", "size_bytes", "pid", "waiting.reason"),
}


def _heading(name: str) -> str:
    if name == "waiting.reason":
        return "waiting for"
    return re.sub(r"_(at|s|bytes)$", "", name.rpartition(".")[2]).replace("_", " ")


def _style(name: str, text: str) -> str:
    if name == "state":
        return words.STATE_STYLES.get(text, "")
    return words.SEVERITY_STYLES.get(text, "") if name == "severity" else ""


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    if name in {"id", "job_id", "batch_id", "origin_id"}:
        return words.short(str(value))
    if _is_time(name):
        return str(value)[:19].replace("T", " ")
    if name.endswith("_s") and isinstance(value, int | float):
        return words.seconds(value)
    if name == "severities" and isinstance(value, dict):
        return " ".join(f"{value[key]}{key[0].upper()}" for key in words.SEVERITIES if value.get(key))
    return value if isinstance(value, str) else _listed(name, value)


def _listed(name: str, value: object) -> str:
    if name == "orgs" and isinstance(value, dict):
        return ", ".join(f"{org} ({role})" for org, role in value.items())
    if name == "states" and isinstance(value, dict):
        return ", ".join(f"{count} {state}" for state, count in value.items())
    if name == "progress" and isinstance(value, float):
        return f"{value:.0%}".replace("%", " %")
    if name == "scopes" and isinstance(value, list):
        return ", ".join(value)
    return _json(value)


def _narrowed(name: str, text: str) -> str:
    """Return a cell as a narrow terminal shows it: times without year and seconds, ids as their end."""
    if _is_time(name):
        return text[5:16]
    kind, colon, whole = text.partition(":")
    return f"{kind}:{words.short(whole)}" if name == "subject" and colon and _ID.fullmatch(whole) else text


def _is_time(name: str) -> bool:
    return name == "at" or name.endswith("_at")


def _plain(item: BaseModel | Record) -> Record:
    return item if isinstance(item, Mapping) else item.model_dump(mode="json")


def _value(row: Record, name: str) -> object:
    """Return the value at a dotted name, or None."""
    value: object = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _only(row: Record, names: Sequence[str]) -> Record:
    return {name: _value(row, name) for name in names} if names else row


def _json(value: object, indent: int | None = None) -> str:
    return escaped(json.dumps(value, ensure_ascii=False, indent=indent))


def escaped(text: str) -> str:
    """Return JSON text with what a terminal would obey as escapes."""
    return _HIDDEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _csv(rows: Sequence[Record], columns: Sequence[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_csv_cell(_value(row, name)) for name in columns])


def _csv_cell(value: object) -> object:
    if value is None or isinstance(value, int | float):
        return value
    return cell(words.harmless(value) if isinstance(value, str) else _json(value))


def _ids(rows: Sequence[Record]) -> None:
    for row in rows:
        print(
            words.line(
                str(
                    row.get("id")
                    or row.get("fingerprint")
                    or row.get("format")
                    or row.get("name")
                    or row.get("actor")
                    or ""
                )
            )
        )
