"""Redis, Valkey and their kin: PING and INFO without a password (RESP)."""

from __future__ import annotations

import re

from services.scan.net.answer import Dial, NotSpoken, Service, clean
from services.scan.net.connection import Connection, Lost, Silent, TooMuch

PORTS = frozenset({6379, 6380, 26379, 7000})
TLS_PORTS = frozenset({6380})
GREETS = False

MAX_INFO = 64 * 1024  # bytes; INFO server is 2 KiB
_ERROR = re.compile(
    rb"-(ERR (unknown command|wrong number|max number|Protocol error)|NOAUTH|DENIED|LOADING|NOPERM|MASTERDOWN)"
)


def recognises(heard: bytes) -> bool:
    return heard.startswith(b"+PONG") or _ERROR.match(heard) is not None


async def probe(conn: Connection, dial: Dial) -> Service:  # noqa: ARG001  one connection tells all
    await conn.send(b"PING\r\n")
    auth_required = parse_ping((await conn.until(b"\n")).rstrip())
    details: dict[str, object] = {} if auth_required is None else {"auth_required": auth_required}
    if auth_required is not False:
        return Service("redis", "Redis", "", details)
    try:
        await conn.send(b"INFO server\r\n")
        facts = parse_info(await _bulk(conn))
    except (Lost, Silent, TooMuch, NotSpoken):
        return Service("redis", "Redis", "", details)
    details["mode"] = clean(facts.get("redis_mode", "") or facts.get("server_mode", ""), 40)
    if "valkey_version" in facts:
        return Service("redis", "Valkey", clean(facts["valkey_version"], 40), details)
    return Service("redis", "Redis", clean(facts.get("redis_version", ""), 40), details)


def parse_ping(line: bytes) -> bool | None:
    """Return whether a password is required; None when the answer (protected mode, loading) does not say."""
    if line == b"+PONG":
        return False
    if line.startswith((b"-NOAUTH", b"-ERR operation not permitted")):
        return True
    if _ERROR.match(line):
        return None
    raise NotSpoken("PING was not answered with PONG or an error of Redis.")


def parse_info(data: bytes) -> dict[str, str]:
    """Return the `name:value` lines of INFO."""
    pairs = (line.partition(":") for line in data.decode("utf-8", "replace").splitlines() if line[:1] != "#")
    return {name.strip(): value.strip() for name, colon, value in pairs if colon}


async def _bulk(conn: Connection) -> bytes:
    head = (await conn.until(b"\n")).rstrip()
    if not re.fullmatch(rb"\$\d{1,7}", head) or int(head[1:]) > MAX_INFO:
        raise NotSpoken("INFO was not answered with a text.")
    return await conn.exactly(int(head[1:]))
