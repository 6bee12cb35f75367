"""FTP: greeting, FEAT, whether anonymous may log in, AUTH TLS (RFC 959, RFC 2389, RFC 4217)."""

from __future__ import annotations

from services.scan.net.answer import Dial, NotSpoken, Service, clean, cleaned
from services.scan.net.connection import Connection, Lost, Silent
from services.scan.net.product import in_greeting
from services.scan.net.services.smtp import reply

PORTS = frozenset({21, 2121})
TLS_PORTS = frozenset({990})
GREETS = True

GREETING_WAIT = 6.0  # seconds; the server may look up the client's name first


def recognises(heard: bytes) -> bool:
    return heard[:4] in (b"220 ", b"220-", b"421 ", b"530 ") and b"SMTP" not in heard.upper()


async def probe(conn: Connection, dial: Dial) -> Service:  # noqa: ARG001  one connection tells all
    code, greeting = await reply(conn, GREETING_WAIT)
    words = " ".join(greeting)
    product, version = in_greeting(words)
    details: dict[str, object] = {"greeting_name": clean(words)}
    says_so = "FTP" in words.upper()
    if code != 220 and not says_so:
        raise NotSpoken("Refused with a reply that does not mention FTP.")
    if code == 220:
        try:
            details |= await _asked(conn, says_so)
        except Lost:
            if not says_so:
                raise
    return Service("ftp", product, version, details)


async def starttls(conn: Connection) -> None:
    await reply(conn, GREETING_WAIT)
    await conn.send(b"AUTH TLS\r\n")
    if (await reply(conn))[0] != 234:
        raise NotSpoken("AUTH TLS was refused.")


async def _asked(conn: Connection, is_ftp: bool) -> dict[str, object]:
    """Return what the server can do and whom it lets in. Raises NotSpoken unless it has FEAT or `is_ftp` anyway."""
    await conn.send(b"FEAT\r\n")
    code, lines = await reply(conn)
    if code != 211 and not is_ftp:
        raise NotSpoken(f"FEAT was answered with {code}.")
    features = cleaned(lines[1:-1]) if code == 211 else []
    details: dict[str, object] = {"capabilities": features}
    details["starttls"] = any(feature.upper().startswith("AUTH TLS") for feature in features)
    if (anonymous := await _lets_anonymous_in(conn)) is not None:
        details["auth_required"] = not anonymous
    return details


async def _lets_anonymous_in(conn: Connection) -> bool | None:
    """Whether the public login of RFC 1635 works; None when the server left before it said."""
    try:
        await conn.send(b"USER anonymous\r\n")
        code, _ = await reply(conn)
        if code == 331:
            await conn.send(b"PASS vedette@\r\n")
            code, _ = await reply(conn, GREETING_WAIT)
    except (Lost, Silent, NotSpoken):
        return None
    return code == 230
