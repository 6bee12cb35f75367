"""What is kept of a log line: of jobs alone, without secrets, without end."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from shared.contracts.logs import MAX_LINE, LineRecord
from shared.telemetry.lines import LineKeeper, redacted

Kept = list[tuple[str, str, dict[str, Any]]]
BOUND = {"job_id": "j", "org_id": "o", "stage": "scan", "attempt": 2}


class Odd:
    def __str__(self) -> str:
        raise ValueError("no text")


@pytest.fixture
def kept() -> Iterator[Kept]:
    found: Kept = []
    handler = LineKeeper(lambda *line: found.append(line))
    library = logging.getLogger("some.library")
    library.addHandler(handler)
    library.setLevel(logging.DEBUG)
    yield found
    library.removeHandler(handler)


def say(event: str, at: int = logging.INFO, **fields: Any) -> None:
    """As structlog hands its lines to the standard library."""
    logging.getLogger("some.library").log(at, {"event": event, **fields})


def test_a_line_of_ours_is_kept_with_whose_it_is_and_its_facts(kept: Kept) -> None:
    say("stage.began", **BOUND, trace_id="t", worker="w", service="scan", level="info", timestamp="x", none=None)
    [(org_id, job_id, line)] = kept
    assert (org_id, job_id) == ("o", "j")
    record = LineRecord.model_validate(line)
    assert (record.event, record.level, record.stage, record.attempt, record.trace_id) == (
        "stage.began",
        "info",
        "scan",
        2,
        "t",
    )
    assert record.fields == {"worker": "w"}


def test_a_line_of_a_library_is_of_the_job_that_is_bound(kept: Kept) -> None:
    with structlog.contextvars.bound_contextvars(**BOUND):
        logging.getLogger("some.library").warning("broke: %s", "pipe")
    [(_, _, line)] = kept
    assert (line["event"], line["level"], line["fields"]) == ("broke: pipe", "warning", {"logger": "some.library"})


@pytest.mark.parametrize("lacking", ["job_id", "org_id"])
def test_a_line_of_no_job_is_not_kept(kept: Kept, lacking: str) -> None:
    for instead in (None, "", 7):
        say("a", **(BOUND | {lacking: instead}))
    say("fine", logging.DEBUG, **BOUND)
    assert kept == []


def test_an_exception_is_kept_with_its_trace_and_without_its_secrets(kept: Kept) -> None:
    try:
        raise ValueError("postgresql://me:hunter2@db/x")  # noqa: TRY301
    except ValueError as exc:
        say("failed", logging.ERROR, **BOUND, exc_info=exc)
    [(_, _, line)] = kept
    assert "ValueError: postgresql://***@db/x" in line["exception"]
    assert "hunter2" not in str(line)


def test_an_exception_that_is_being_handled_is_kept_as_well(kept: Kept) -> None:
    try:
        raise ValueError("broken")  # noqa: TRY301
    except ValueError:
        say("failed", logging.ERROR, **BOUND, exc_info=True)  # what `log.exception` makes of it
    say("later", logging.ERROR, **BOUND, exc_info=True)
    assert ["ValueError: broken" in line.get("exception", "") for _, _, line in kept] == [True, False]


def test_huge_and_odd_values_make_no_huge_line_and_break_nothing(kept: Kept) -> None:
    say("x" * 100_000, **BOUND, **{f"k{n}": "y" * 1000 for n in range(100)}, nul="\x00\ud800")
    say("odd", **BOUND, odd=Odd())
    say("after", **BOUND, secret=SecretStr("hunter2"))
    assert [line["event"][:5] for _, _, line in kept] == ["xxxxx", "after"]
    assert len(str(kept[0][2])) < 3 * MAX_LINE
    assert "hunter2" not in str(kept)
    for _, _, line in kept:
        LineRecord.model_validate(line)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("https://user:pw@host/path?token=abc&x=1#f", "https://***@host/path?token=***&x=***#f"),
        ("Authorization: Bearer abcdefgh12345", "Authorization: ***"),
        ("key vdt_abcdefgh_0123456789abcdef", "key vdt_abcdefgh***"),
        ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_***"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.sig-nature", "***"),
        ("password=hunter2, user=me", "password=***, user=me"),
        ("stage.ended summary=173 ports · 4 open", "stage.ended summary=173 ports · 4 open"),
        ("tcp/127.0.0.1:443 and https://example.org/", "tcp/127.0.0.1:443 and https://example.org/"),
    ],
)
def test_what_looks_like_a_secret_is_not_shown(text: str, told: str) -> None:
    assert redacted(text) == told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sent Authorization: canary of mine", "sent Authorization: ***"),
        ('GET /\nCookie: a=canary; b="canary"\nHost: x', "GET /\nCookie: ***\nHost: x"),
        ("Set-Cookie: a=canary; Path=/\r\nHost: x", "Set-Cookie: ***\nHost: x"),
        ("HTTP_COOKIE=canary", "HTTP_COOKIE=***"),
        ("Authorization:          canary", "Authorization:        ***"),
        ("curl -H 'proxy-authorization: can\\'ary' https://x/", "curl -H 'proxy-authorization: ***' https://x/"),
        (r"b'GET /\r\nCookie: canary\r\nHost: x'", r"b'GET /\r\nCookie: ***"),
        ('{"authorization": "can\\"ary", "status": 200}', '{"authorization": "***", "status": 200}'),
        ("{'Set-Cookie': 'a=\"canary\"; Path=/', 'x': 1}", "{'Set-Cookie': '***', 'x': 1}"),
        ("[(b'cookie', b'canary'), (b'host', b'x')]", "[(b'cookie', b'***'), (b'host', b'x')]"),
        ('{"set-cookie": ["canary", "canary"]}\nx', '{"set-cookie": ***\nx'),
        ('{"cookie": canary, "x": 1}', '{"cookie": ***, "x": 1}'),
        (r'"{\"authorization\": \"canary\"}"', r'"{\"authorization\":***'),
        ("'Cookie: canary\n'x'", "'Cookie: ***\n'x'"),
        ("Authorization:\nHost: x", "Authorization:\nHost: x"),
        ("the cookie has expired, authorization failed", "the cookie has expired, authorization failed"),
        ("cookie_name=x authorizations: 5", "cookie_name=x authorizations: 5"),
    ],
)
def test_headers_that_hold_secrets_show_their_names_alone(text: str, told: str) -> None:
    assert redacted(text) == told
    assert redacted(told) == told


HEADER = st.sampled_from(["Authorization", "proxy-authorization", "COOKIE", "Set-Cookie"])
VALUE = st.text(st.characters(exclude_characters="\r\n\"'\\", exclude_categories=["Cs"]), max_size=50)


@given(HEADER, VALUE, st.text(max_size=20))
def test_no_value_of_such_a_header_is_shown(name: str, value: str, before: str) -> None:
    value = f"canary{value}canary"
    said = [f"{name}: {value}", json.dumps({name: value}), str({name: value}), str([(name.encode(), value.encode())])]
    for each in [*said, json.dumps(said), f"curl -H '{said[0]}'"]:
        assert "canary" not in redacted(f"{before} {each}")


@given(st.text())
def test_no_text_is_too_odd(text: str) -> None:
    assert isinstance(redacted(text), str)


@pytest.mark.parametrize(
    "text",
    [
        "{'password': 'canary'}",
        '{"token": "canary"}',
        "refresh_token=canary",
        "VEDETTE_TOKEN=canary VEDETTE_MASTER_KEY=canary",
        "redis://:can@canary@h/0",
    ],
)
def test_a_secret_is_known_in_json_and_behind_a_part_of_a_name(text: str) -> None:
    assert "canary" not in redacted(text)


@pytest.mark.parametrize("at", range(MAX_LINE - 20, MAX_LINE + 1))
def test_no_cut_makes_a_secret_unknown(kept: Kept, at: int) -> None:
    say("x" * (at - 20) + " https://ann:canary@example.org/ " + "y" * 9000, **BOUND)
    [(_, _, line)] = kept
    assert "can" not in line["event"]


def test_no_cut_of_a_traceback_makes_a_secret_unknown(kept: Kept) -> None:
    for behind in range(16_350, 16_385):
        say("broke", exception="z" * 9000 + " https://ann:canary@example.org/" + "y" * behind, **BOUND)
    assert not [line for _, _, line in kept if "nary@" in line["exception"]]


def test_no_cut_of_a_traceback_shows_the_rest_of_a_header(kept: Kept) -> None:
    say("broke", exception="z\nCookie: " + "canary" * 3000 + "\n" + "y" * 16_000, **BOUND)
    assert "canary" not in kept[0][2]["exception"]


PIECES = ["eyJ-", "eyJaaaaaaaa.", "://a@", "token ", "token= ", "vda_a-", "?a", "bearer "]
OF_HEADERS = [
    "cookie",
    "cookie:",
    "cookie: '",
    "'cookie: ",
    "'cookie': '",
    '"cookie": [',
    r"\"cookie\"",
    "cookie\\",
    "set-",
]


@pytest.mark.parametrize("piece", [*PIECES, *OF_HEADERS, *(f"{piece}\n" for piece in OF_HEADERS), "cookie        "])
def test_what_strangers_repeat_takes_no_time(kept: Kept, piece: str) -> None:
    began = time.monotonic()
    say(piece * 250_000, exception=piece * 250_000, **BOUND)
    assert len(kept) == 1
    redacted(piece * 20_000)  # quadratic would be minutes
    assert time.monotonic() - began < 2


def test_what_is_a_secret_by_its_name_is_not_kept(kept: Kept) -> None:
    say("e", **BOUND, password="canary", refresh_token="canary", api_key="canary", tokens=5, key="a")
    assert kept[0][2]["fields"] == {
        "password": "***",
        "refresh_token": "***",
        "api_key": "***",
        "tokens": 5,
        "key": "a",
    }
