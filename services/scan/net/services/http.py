"""HTTP: one `GET /`, in clear or inside TLS (RFC 9112). Redirects are noted, not followed."""

from __future__ import annotations

import html
import re
from importlib.metadata import version

from services.scan.net.answer import Dial, NotSpoken, Page, Service, clean
from services.scan.net.connection import Connection
from services.scan.net.cookie import without_value
from services.scan.net.product import in_server_header

PORTS = frozenset(
    {80, 81, 591, 2082, 2086, 2095, 2375, 2379, 3000, 3128, 4848, 5000, 5357, 5601, 5800, 5984, 5985, 7001, 7070}
    | {8000, 8001, 8008, 8080, 8081, 8086, 8088, 8089, 8500, 8880, 8888, 9000, 9001, 9090, 9091, 9093, 9200, 10000}
    | {10255, 15672, 16010, 50070}
)
TLS_PORTS = frozenset({443, 2083, 2087, 2096, 2376, 4443, 5986, 6443, 7443, 8443, 8834, 9443, 10250})
GREETS = False

AGENT = f"Vedette/{version('vedette-scan')}"
MAX_BODY = 64 * 1024  # bytes; the title stands in the first of them
MAX_HEAD = 32 * 1024  # bytes; nginx and Apache send at most 8 KiB by default
MAX_HEADERS = 100
MAX_VALUE = 2048  # characters of one header
_MONGODB = b"trying to access MongoDB over HTTP"
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})(?: |\r?\n)")
_TITLE = re.compile(r"<title[^>]{0,200}>([^<]{0,2000})", re.IGNORECASE)
_CHARSET = re.compile(r"charset=[\"']?([\w-]{1,40})", re.IGNORECASE | re.ASCII)
# The peer names the codec. Python also knows some that take time quadratic in the page (punycode, idna).
_CODECS = re.compile(
    r"(us-)?ascii|utf-?(8|16|32)(-?[bl]e)?|iso-?8859-\d{1,2}|latin-?1|(windows-|cp)125\d|"
    r"gb2312|gbk|gb18030|big5|shift[_-]jis|euc-(jp|kr)|koi8-[rtu]",
    re.IGNORECASE | re.ASCII,
)
_FOLD = re.compile(r"(?:\r{0,3}\n|\r)[ \t]+")
_LINE_END = re.compile(r"\r{0,3}\n|\r")


def recognises(heard: bytes) -> bool:
    return heard.startswith(b"HTTP/")


async def probe(conn: Connection, dial: Dial) -> Service:  # noqa: ARG001  one connection tells all
    await conn.send(request(conn.authority))
    first = await conn.peek()
    if not first.startswith(b"HTTP/"[: len(first)]):
        raise NotSpoken("The answer does not begin with HTTP/.")
    head = await conn.until(b"\r\n\r\n", MAX_HEAD)
    status, headers, cookies = parse_head(head)
    body = await _body(conn, headers)
    if _MONGODB in body:
        raise NotSpoken("MongoDB answers browsers that it is no web server.")
    page = Page(status, headers, cookies, title(body, headers.get("content-type", "")))
    product, number = in_server_header(headers.get("server", ""))
    return Service("http", clean(product), clean(number), page=page)


def request(host: str) -> bytes:
    """Return the request for `/` of `host` (name, or name and port)."""
    return f"GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {AGENT}\r\nAccept: */*\r\nConnection: close\r\n\r\n".encode()


def parse_head(head: bytes) -> tuple[int, dict[str, str], list[str]]:
    """Return status, headers and cookies (without their values) of a response head."""
    match = _STATUS.match(head)
    if not match:
        raise NotSpoken("No HTTP status line.")
    headers: dict[str, str] = {}
    cookies: list[str] = []
    lines = _LINE_END.split(_FOLD.sub(" ", head.decode("latin-1")), MAX_HEADERS + 1)
    for line in lines[1 : MAX_HEADERS + 1]:
        name, colon, raw = line.partition(":")
        name, value = clean(name, 100).lower(), clean(raw, MAX_VALUE)
        if not colon or not name:
            continue
        if name in ("set-cookie", "set-cookie2"):
            cookies.append(without_value(value))
        else:
            headers[name] = f"{headers[name]}, {value}"[:MAX_VALUE] if name in headers else value
    return int(match[1]), headers, cookies


def title(body: bytes, content_type: str = "") -> str:
    """Return the page's title as plain text, or nothing."""
    charset = _CHARSET.search(content_type)
    try:
        text = body.decode(charset[1] if charset and _CODECS.fullmatch(charset[1]) else "utf-8", "replace")
    except (LookupError, ValueError):  # e.g. iso-8859-12, which does not exist
        text = body.decode("utf-8", "replace")
    match = _TITLE.search(text)
    return clean(html.unescape(match[1])) if match else ""


def unchunked(body: bytes) -> bytes:
    """Return the data of a chunked body (RFC 9112, 7.1) as far as it is there and well-formed."""
    data = bytearray()
    at = 0
    while (end := body.find(b"\r\n", at)) >= 0:
        size = body[at:end].partition(b";")[0].strip()
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size) or not (length := int(size, 16)):
            break
        data += body[end + 2 : end + 2 + length]
        at = end + 4 + length
    return bytes(data)


async def _body(conn: Connection, headers: dict[str, str]) -> bytes:
    length = headers.get("content-length", "")
    size = int(length) if re.fullmatch(r"\d{1,9}", length) else MAX_BODY
    body = await conn.rest(min(size, MAX_BODY)) if size else b""
    return unchunked(body) if "chunked" in headers.get("transfer-encoding", "").lower() else body
