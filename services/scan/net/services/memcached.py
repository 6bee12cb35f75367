"""memcached: the `version` command of the text protocol."""

from __future__ import annotations

import re

from services.scan.net.answer import Dial, NotSpoken, Service, clean
from services.scan.net.connection import Connection

PORTS = frozenset({11211})
TLS_PORTS: frozenset[int] = frozenset()
GREETS = False

_VERSION = re.compile(rb"VERSION (\S{1,60})\r?\n?")


def recognises(heard: bytes) -> bool:
    return heard.startswith((b"ERROR\r\n", b"CLIENT_ERROR ", b"VERSION "))


async def probe(conn: Connection, dial: Dial) -> Service:  # noqa: ARG001  one connection tells all
    await conn.send(b"version\r\n")
    return parse_version(await conn.until(b"\n"))


def parse_version(line: bytes) -> Service:
    """Parse the answer to `version`. With authentication on, it is refused like every other command."""
    if match := _VERSION.fullmatch(line):
        return Service("memcached", "memcached", clean(match[1].decode("latin-1")), {"auth_required": False})
    if line.startswith(b"CLIENT_ERROR unauthenticated"):
        return Service("memcached", "memcached", "", {"auth_required": True})
    raise NotSpoken("`version` was not answered by memcached.")
