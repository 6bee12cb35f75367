from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.scan.net.answer import LONGEST, clean, evidence
from shared.contracts.observation import MAX_EVIDENCE


def test_control_characters_are_visible_and_text_is_readable() -> None:
    assert evidence("x", "Grüße\x1b[31m\r\n\tüber".encode() + b"\xff").text == "Grüße\\x1b[31m\n\tüber\\xff"


def test_values_of_cookies_are_not_kept() -> None:
    head = b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=secret; Path=/\r\nset-cookie: a=b\r\n\r\n"
    text = evidence("GET /", head).text
    assert "secret" not in text
    assert "Set-Cookie: sid=; Path=/" in text
    assert "set-cookie: a=\n" in text


@given(st.binary(max_size=3 * MAX_EVIDENCE))
def test_any_bytes_become_bounded_printable_evidence(data: bytes) -> None:
    proof = evidence("x", data)
    assert len(proof.text) <= MAX_EVIDENCE
    assert all(char.isprintable() or char in "\n\t" for char in proof.text)


@given(st.text())
def test_any_text_becomes_one_clean_line(text: str) -> None:
    line = clean(text)
    assert len(line) <= LONGEST
    assert line.isprintable()
