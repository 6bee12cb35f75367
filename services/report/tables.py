"""What was seen, as tables. Known types have chosen columns; any other type is shown with the facts it carries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from services.report import printable, words
from shared.contracts.observation import Observation

MAX_CELL = 200  # characters

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """`widths` are shares of the line; `code` marks columns in a fixed-width face."""

    title: str
    columns: tuple[str, ...]
    widths: tuple[int, ...]
    code: tuple[bool, ...]
    rows: list[tuple[str, ...]]


@dataclass(frozen=True)
class _Column:
    name: str
    width: int
    read: Callable[[Facts], object]
    is_code: bool = False


def tables(observations: Iterable[Observation]) -> list[Table]:
    """Return one table per type, known types first, in the order in which things were observed."""
    rows: dict[str, list[Facts]] = {}
    for each in observations:
        rows.setdefault(each.type, []).append({**each.data, "": each.subject})
    if "service" in rows:
        rows["service"] = _with_ports(rows["service"], rows.pop("port", []))
    known = [_table(title, columns, rows.pop(kind)) for kind, (title, columns) in _KNOWN.items() if kind in rows]
    return known + [_table(f"{printable.line(kind, 40)} facts", _ANY, found) for kind, found in rows.items()]


def _with_ports(services: list[Facts], ports: list[Facts]) -> list[Facts]:
    """Join each service with the port it answers on; ports without a service keep their row."""
    left = {str(port[""]): port for port in ports}
    joined = [{**left.pop(str(service[""]), {}), **service} for service in services]
    return [*joined, *left.values()]


def _table(title: str, columns: tuple[_Column, ...], found: list[Facts]) -> Table:
    rows = [tuple(_text(column.read(facts)) for column in columns) for facts in found]
    used = [i for i in range(len(columns)) if i == 0 or any(row[i] != words.NOTHING for row in rows)]
    return Table(
        title=title,
        columns=tuple(columns[i].name for i in used),
        widths=tuple(columns[i].width for i in used),
        code=tuple(columns[i].is_code for i in used),
        rows=[tuple(row[i] for i in used) for row in rows],
    )


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        value = " · ".join(f"{key}: {_text(item)}" for key, item in list(value.items())[:20] if key)
    elif isinstance(value, (list, tuple)):
        value = ", ".join(_text(item) for item in value[:20])
    return printable.line("" if value is None else str(value), MAX_CELL) or words.NOTHING


def _key(name: str) -> Callable[[Facts], object]:
    return lambda facts: facts.get(name)


def _leaf(name: str) -> Callable[[Facts], object]:
    def read(facts: Facts) -> object:
        chain = facts.get("chain")
        leaf = chain[0] if isinstance(chain, list) and chain else None
        return leaf.get(name) if isinstance(leaf, Mapping) else None

    return read


def _expiry(facts: Facts) -> object:
    return str(_leaf("not_after")(facts) or "").partition("T")[0]


def _latency(facts: Facts) -> object:
    value = facts.get("latency_ms")
    return f"{value:,.1f} ms" if isinstance(value, float) else value


def _trust(facts: Facts) -> object:
    return "trusted" if facts.get("is_trusted") is True else facts.get("trust_error") or "not trusted"


_SUBJECT = _Column("Where", 5, _key(""), is_code=True)
_ANY = (_SUBJECT, _Column("Facts", 9, lambda facts: {key: facts[key] for key in facts if key}))
_KNOWN: dict[str, tuple[str, tuple[_Column, ...]]] = {
    "host": (
        "Machine",
        (
            _Column("Name", 4, _key("name")),
            _Column("Addresses", 5, _key("addresses"), is_code=True),
            _Column("Answered", 4, _key("answered"), is_code=True),
            _Column("Fastest answer", 3, _latency),
        ),
    ),
    "service": (
        "Open ports and services",
        (
            _SUBJECT,
            _Column("Service", 3, _key("name")),
            _Column("Product", 4, lambda facts: f"{facts.get('product') or ''} {facts.get('version') or ''}"),
            _Column("TLS", 1, _key("tls")),
            _Column("Group", 2, _key("group")),
            _Column("Answer", 2, _latency),
        ),
    ),
    "port": ("Open ports", (_SUBJECT, _Column("Group", 3, _key("group")), _Column("Answer", 3, _latency))),
    "tls": (
        "TLS",
        (
            _SUBJECT,
            _Column("Accepted", 4, _key("accepted")),
            _Column("Cipher in use", 4, _key("cipher"), is_code=True),
            _Column("Certificate", 4, _leaf("subject")),
            _Column("Ends", 2, _expiry),
            _Column("Trust", 3, _trust),
        ),
    ),
    "http": (
        "Web",
        (
            _Column("Address", 5, _key("url"), is_code=True),
            _Column("Status", 2, _key("status")),
            _Column("Server", 3, _key("server")),
            _Column("Title", 3, _key("title")),
            _Column("Redirects to", 4, _key("redirects_to"), is_code=True),
        ),
    ),
}
