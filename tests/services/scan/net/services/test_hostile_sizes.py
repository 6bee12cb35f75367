"""The work of every parser grows no faster than its input, however a peer arranges the input."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

import pytest

from services.scan.net import product
from services.scan.net.answer import NotSpoken, evidence
from services.scan.net.services import amqp, dns, http, imap, memcached, mongodb, mqtt, mysql, postgres, redis, smtp
from services.scan.net.services import ssh as secure_shell
from services.scan.net.services import telnet as terminal

SIZE = 32 * 1024  # bytes, and twice as many
UNNOTICED = 0.05  # seconds of the processor; below it a ratio says nothing
CODECS = ("punycode", "idna", "unicode_escape", "utf-7", "hz", "iso2022_jp", "rot13", "zlib", "utf-16", "gb18030")

Attack = Callable[[int], object]


def charset(name: str) -> Attack:
    return lambda n: http.title(b"<title>-" + b"a" * n, f"text/html; charset={name}")


def pages(beginning: bytes, repeated: bytes) -> Attack:
    return lambda n: http.title(beginning + repeated * (n // len(repeated)))


def names(n: int) -> bytes:
    """Return a KEXINIT whose two lists of ciphers have nothing in common."""
    lists = [b"", b"", *(",".join(f"{sign}{i:x}" for i in range(n // 14)).encode() for sign in "ab")]
    body = b"".join(len(each).to_bytes(4, "big") + each for each in (*lists, b"", b"", b"", b""))
    return b"\0\x14" + b"c" * 16 + body


def records(n: int) -> bytes:
    return b"\0\1\x84\0\0\0" + (n // 11).to_bytes(2, "big") + b"\0" * 4 + b"\0\0\x10\0\3\0\0\0\0\0\0" * (n // 11)


def table(repeated: bytes) -> Attack:
    return lambda n: amqp.parse_table(repeated * (n // len(repeated)))


ATTACKS: dict[str, Attack] = {
    **{f"title in {name}": charset(name) for name in CODECS},
    "titles that begin": pages(b"", b"<title "),
    "titles that end": pages(b"", b"<title>"),
    "title of entities": pages(b"<title>", b"&#9"),
    "title of ampersands": pages(b"<title>", b"&"),
    "content type": lambda n: http.title(b"", "charset=" * (n // 8)),
    "head of lines": lambda n: http.parse_head(b"HTTP/1.1 200 \r\n" + b"a:b\r\n" * (n // 5)),
    "head of folds": lambda n: http.parse_head(b"HTTP/1.1 200 \r\na:" + b"\r\n " * (n // 3)),
    "head of carriage returns": lambda n: http.parse_head(b"HTTP/1.1 200 \r\na:" + b"\r" * n),
    "head of cookies": lambda n: http.parse_head(b"HTTP/1.1 200 \r\n" + b"set-cookie:a;b\r\n" * (n // 16)),
    "chunks": lambda n: http.unchunked(b"1\r\nx\r\n" * (n // 6)),
    "chunk without end": lambda n: http.unchunked(b"1" * n),
    "evidence of cookies": lambda n: evidence("x", b"set-cookie:" * (n // 11)),
    "evidence of spaces": lambda n: evidence("x", b"set-cookie" + b"\n" * n),
    "evidence of folds": lambda n: evidence("x", b"set-cookie:" + b"\r\n " * (n // 3)),
    "evidence of carriage returns": lambda n: evidence("x", b"set-cookie:" + b"\r" * n),
    "evidence of semicolons": lambda n: evidence("x", b"set-cookie:" + b";" * n),
    "ssh names": lambda n: secure_shell.parse_kexinit(names(n)),
    "ssh identification": lambda n: secure_shell.parse_identification("SSH-2.0-A" + "_" * n),
    "amqp nothings": table(b"\0V"),
    "amqp texts": table(b"\0S\0\0\0\0"),
    "dns records": lambda n: dns.parse_version(records(n)),
    "dns product": lambda n: dns.product("PowerDNS" + " " * n),
    "greeting": lambda n: product.in_greeting("ProFTPD" + " /" * (n // 2)),
    "server header": lambda n: product.in_server_header("A" + " ." * (n // 2)),
    "telnet subnegotiations": lambda n: terminal.parse(b"\xff\xfa" * (n // 2)),
    "telnet offers": lambda n: terminal.parse(b"\xff\xfb" * (n // 2)),
    "redis lines": lambda n: redis.parse_info(b"a:b\n" * (n // 4)),
    "mongodb names": lambda n: mongodb.parse_message(b"\0" * 9 + b"\x0aa\0" * (n // 3)),
    "mongodb nesting": lambda n: mongodb.parse_message(b"\0" * 9 + b"\3a\0\0\0\0\0" * (n // 7)),
    "mqtt version": lambda n: mqtt.parse_version(b"$SYS/broker/version" + b"a " * (n // 2)),
    "mysql version": lambda n: mysql.parse_greeting(b"\x0a" + b"1." * (n // 2) + b"\0"),
    "postgres error": lambda n: postgres.parse_error(b"C\0" * (n // 2)),
    "memcached": lambda n: memcached.parse_version(b"VERSION " + b"a" * n),
    "imap": lambda n: imap.parse_capabilities(["* CAPABILITY" + " a" * (n // 2)]),
    "smtp": lambda n: smtp.parse_line("220-" + " " * n),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_twice_the_input_is_about_twice_the_work(name: str) -> None:
    once, twice = (_seconds(ATTACKS[name], size) for size in (SIZE, 2 * SIZE))
    assert twice < UNNOTICED or twice < 3.2 * once, f"{name}: {once:.3f} s, then {twice:.3f} s"


@pytest.mark.parametrize("codec", ["punycode", "idna", "unicode_escape", "raw_unicode_escape", "utf-7", "utf-16-", "x"])
def test_a_codec_that_no_page_needs_is_not_used(codec: str) -> None:
    body = "<title>Grüße \\u0041 +AGE-</title>".encode()
    assert http.title(body, f"text/html; charset={codec}") == "Grüße \\u0041 +AGE-"


@pytest.mark.parametrize("codec", ["UTF-8", "utf-16", "iso-8859-15", "Windows-1252", "gb18030", "utf-32le", "latin-1"])
def test_a_codec_of_real_pages_is_used(codec: str) -> None:
    assert http.title("<title>Größe à</title>".encode(codec), f'text/html; charset="{codec}"') == "Größe à"


@pytest.mark.parametrize("codec", ["shift_jis", "euc-jp", "gbk", "gb2312", "big5", "euc-kr", "koi8-r", "windows-1251"])
def test_a_codec_of_asia_and_cyrillic_is_used(codec: str) -> None:
    assert http.title("<title>Дом</title>".encode(codec), f"text/html; charset={codec}") == "Дом"


def _seconds(attack: Attack, size: int) -> float:
    """Return the least time of the processor in five runs; one quick run is enough."""
    least = float("inf")
    for _ in range(5):
        started = time.process_time()
        with contextlib.suppress(NotSpoken):
            attack(size)
        least = min(least, time.process_time() - started)
        if least < UNNOTICED / 4:
            break
    return least
