"""Port expressions (`22,80,1-1000,-`) and the four documented port groups, scanned in their order.

The groups rank by what an attacker gains where the port is open: critical = control of the machine or its data without
further ado; high = remote access and mail; medium = the web and its machinery; low = the rest that is worth a look.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from shared.errors import InvalidInput

LAST_PORT = 65535


class PortGroup(StrEnum):
    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    OTHER = "other"  # whatever an expression names beyond the four lists


GROUPS: dict[PortGroup, tuple[int, ...]] = {
    # telnet, SMB, r-services, Docker, databases and caches, Kubernetes, X11, ADB, hypervisors
    PortGroup.CRITICAL: (
        *(23, 135, 139, 445, 512, 513, 514, 873, 1433, 1521, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 4444, 5432),
        *(5555, 5984, 6000, 6379, 7001, 8500, 9042, 9200, 9300, 10250, 10255, 11211, 15672, 27017, 27018, 50070),
    ),
    # remote access, file transfer, directory, remote desktop, mail
    PortGroup.HIGH: (
        *(21, 22, 25, 69, 110, 111, 143, 161, 389, 465, 587, 623, 636, 993, 995, 1080, 1099, 1723, 1883, 2222),
        *(3128, 3268, 3389, 3690, 4786, 5060, 5061, 5672, 5900, 5901, 5985, 5986, 6443, 8883, 9418, 61616),
    ),
    # the web and its machinery
    PortGroup.MEDIUM: (
        *(53, 80, 81, 88, 443, 591, 1311, 2082, 2083, 2086, 2087, 2095, 2096, 3000, 4443, 4848, 5000, 5601, 7443),
        *(8000, 8001, 8008, 8080, 8081, 8086, 8088, 8089, 8443, 8834, 8880, 8888, 9000, 9001, 9090, 9091, 9093, 9443),
        *(10000, 16010),
    ),
    # old, rare or informative
    PortGroup.LOW: (
        *(7, 9, 13, 17, 19, 37, 43, 49, 70, 79, 113, 119, 123, 179, 194, 427, 500, 515, 543, 544, 548, 554, 631, 646),
        *(902, 1025, 1026, 1027, 1028, 1029, 1194, 1720, 1755, 1900, 2000, 2001, 2121, 2717, 3986, 4899, 5009, 5051),
        *(5101, 5190, 5222, 5269, 5357, 5432, 5631, 5666, 5800, 6646, 6667, 7070, 8009, 9100, 9999, 32768, 49152),
        *(49153, 49154, 49155, 49156, 49157),
    ),
}
_GROUP_OF = {port: group for group, ports in reversed(GROUPS.items()) for port in ports}


def parse(expression: str) -> list[int]:
    """Return the ports that `expression` names, sorted, each once. `-` alone is every port from 1 to 65535.

    Items are separated by commas: `22`, `1-1000`, `-100` (from 1), `60000-` (to 65535).
    Raises InvalidInput naming the item that is wrong.
    """
    ports: list[int] = []
    for first, last in sorted({_item(item.strip(), expression) for item in expression.split(",")}):
        begin = max(first, ports[-1] + 1) if ports else first  # however often a port is named, it is no work
        ports.extend(range(begin, last + 1))
    return ports


def group_of(port: int) -> PortGroup:
    return _GROUP_OF.get(port, PortGroup.OTHER)


def in_groups(ports: Iterable[int]) -> dict[PortGroup, list[int]]:
    """Return `ports` by group, worst group first; groups without a port are left out."""
    found: dict[PortGroup, list[int]] = {group: [] for group in PortGroup}
    for port in ports:
        found[group_of(port)].append(port)
    return {group: members for group, members in found.items() if members}


def _item(item: str, expression: str) -> tuple[int, int]:
    low, dash, high = item.partition("-")
    if not item:
        raise _wrong(expression, "it has an empty item")
    first = _number(low, expression) if low else 1
    last = (_number(high, expression) if high else LAST_PORT) if dash else first
    if first > last:
        raise _wrong(expression, f"the range {item!r} is empty")
    return first, last


def _number(text: str, expression: str) -> int:
    text = text.strip()
    if not (text.isascii() and text.isdigit()):
        raise _wrong(expression, f"{text[:20]!r} is not a number")
    if len(text) > 5 or not 1 <= int(text) <= LAST_PORT:
        raise _wrong(expression, f"{text[:20]} is not between 1 and {LAST_PORT}")
    return int(text)


def _wrong(expression: str, why: str) -> InvalidInput:
    return InvalidInput(
        f"Port expression {expression[:60]!r}: {why}.",
        cure="Write ports and ranges separated by commas, e.g. 22,80,1-1000, or - for all.",
    )
