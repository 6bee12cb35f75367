"""Take the values out of `Set-Cookie`, however it is written: they may be sessions."""

from __future__ import annotations

import re

# Space before the colon, folded lines (RFC 9112, 5.2) and lone carriage returns all occur.
_HEADER = re.compile(rb"(set-cookie2?\s*:[ \t]*)([^\r\n]*(?:(?:\r{0,3}\n|\r)[ \t][^\r\n]*)*)", re.IGNORECASE)
_DATE = re.compile(r"[^,=]*(?:, ?\d\d[^,=]*)?")  # the one attribute with a comma: `Wed, 09 Jun 2027 10:18:14 GMT`
_FLAGS = frozenset({"secure", "httponly", "partitioned"})
_VALUED = frozenset({"expires", "max-age", "domain", "path", "samesite", "priority"})


def without_value(cookie: str) -> str:
    """Return the value of `Set-Cookie` as name and known attributes: `sid=; Path=/; HttpOnly`.

    What has no equals sign is a value without a name (RFC 6265bis, 5.6), and goes too.
    """
    pair, *attributes = cookie.split(";")
    name, equals, _ = pair.partition("=")
    kept = [text for attribute in attributes if (text := _attribute(attribute.strip()))]
    return "; ".join([f"{name.strip() if equals else ''}=", *kept])


def without_values(data: bytes) -> bytes:
    """Return `data` with the value of every `Set-Cookie` in it removed."""
    return _HEADER.sub(_emptied, data)


def _emptied(match: re.Match[bytes]) -> bytes:
    return match[1] + without_value(" ".join(match[2].decode("latin-1").split())).encode("latin-1")


def _attribute(text: str) -> str:
    """Return an attribute that is known. Any other may be the rest of a value that has a semicolon in it."""
    name, _, value = text.partition("=")
    key = name.strip().lower()
    if key in _FLAGS:
        return name.strip()
    if key not in _VALUED:
        return ""
    date = _DATE.match(value) if key == "expires" else None
    return f"{name.strip()}={(date[0] if date else value.partition(',')[0]).strip()}"
