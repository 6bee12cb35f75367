from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import codec
from shared.broker import keys
from shared.codec import BadSignature, Unsigned
from shared.keyring import StaleKey, Unverified

HEADERS: dict[str, Any] = {"task": "scan.run", "id": "j.scan", "eta": None, "timelimit": [300.0, 270.5], "retries": 0}
BODY = b'[[{"job_id": "j"}], {}, {}]'

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
names = st.sampled_from([*HEADERS, codec.JOB, codec.ORG, codec.KEY, codec.SIGNATURE, "shadow"]) | st.text(max_size=12)


def made(body: bytes = BODY, job_id: str = "j", org_id: str = "o") -> tuple[bytes, dict[str, Any]]:
    headers = dict(HEADERS)
    return codec.seal(body, headers, job_id, org_id), headers


def plain(headers: dict[str, Any]) -> str:
    return json.dumps(headers, sort_keys=True)


@given(body=st.binary(max_size=200), headers=st.dictionaries(st.text(max_size=12), anything, max_size=5))
def test_what_was_sealed_opens_after_a_way_through_json(body: bytes, headers: dict[str, Any]) -> None:
    sealed = codec.seal(body, headers, "j", "o")
    read = json.loads(json.dumps(headers))
    assert codec.unseal(sealed, codec.SEALED, read) == codec.Opened(body, "j", "o")


@given(name=names, value=anything)
def test_any_header_that_is_signed_and_changed_is_noticed(name: str, value: object) -> None:
    sealed, headers = made()
    changed = {**headers, name: value}
    signs_it = name not in codec.UNSIGNED or name in {codec.JOB, codec.ORG, codec.KEY, codec.SIGNATURE}
    if signs_it and plain(changed) != plain(headers):
        with pytest.raises(Unverified):
            codec.unseal(sealed, codec.SEALED, changed)
    else:
        assert codec.unseal(sealed, codec.SEALED, changed).body == BODY


@given(place=st.integers(min_value=0, max_value=len(BODY) + 27), bit=st.integers(min_value=0, max_value=7))
def test_any_bit_of_the_body_is_signed(place: int, bit: int) -> None:
    sealed, headers = made()
    changed = bytearray(sealed)
    changed[place] ^= 1 << bit
    with pytest.raises(BadSignature):
        codec.unseal(bytes(changed), codec.SEALED, headers)


@given(length=st.integers(min_value=0, max_value=len(BODY) + 27))
def test_a_body_that_was_cut_is_noticed(length: int) -> None:
    sealed, headers = made()
    with pytest.raises(BadSignature):
        codec.unseal(sealed[:length], codec.SEALED, headers)


@given(message=anything, headers=anything, body=anything)
def test_nothing_but_a_refusal_comes_of_anything(message: object, headers: object, body: object) -> None:
    whole = {"headers": headers, "body": body, "properties": {"body_encoding": "base64"}, "content-type": codec.SEALED}
    for each in (message if isinstance(message, dict) else {}, whole):
        with pytest.raises(Unverified):
            codec.unseal_raw(each)


def test_what_changes_on_the_way_is_not_signed_and_nothing_else() -> None:
    on_the_way = {keys.DELIVERIES, keys.QUEUED_AT, keys.WORKER_DEATHS, keys.LAST_DEATH, keys.RETURNED_AT}
    on_the_way |= {"redelivered"}
    own = {codec.JOB, codec.ORG, codec.KEY, codec.SIGNATURE}  # in the signature by themselves, or it itself
    assert on_the_way | own == codec.UNSIGNED


def test_the_same_content_is_sealed_differently_each_time_and_shows_nothing() -> None:
    (one, _), (two, _) = made(), made()
    assert one != two
    assert b"job_id" not in one


def test_a_message_says_under_which_key_it_is_and_needs_it() -> None:
    sealed, headers = made()
    with pytest.raises(StaleKey, match="'gone'"):
        codec.unseal(sealed, codec.SEALED, {**headers, codec.KEY: "gone"})


def test_a_job_and_an_organisation_cannot_be_split_otherwise() -> None:
    sealed, headers = made(job_id="ab", org_id="c")
    with pytest.raises(BadSignature):
        codec.unseal(sealed, codec.SEALED, {**headers, codec.JOB: "a", codec.ORG: "bc"})


@pytest.mark.parametrize("kind", ["application/json", "application/x-python-serialize", "application/x-yaml", None, 5])
def test_what_is_not_said_to_be_sealed_is_unsigned(kind: object) -> None:
    sealed, headers = made()
    with pytest.raises(Unsigned):
        codec.unseal(sealed, kind, headers)


@given(text=st.text(max_size=200))
def test_a_sealed_text_opens_for_the_same_purpose_organisation_and_matter_alone(text: str) -> None:
    token = codec.seal_text("database", text, "o", "column")
    assert codec.unseal_text("database", token, "o", "column") == text
    assert codec.key_of(token) == "test"
    for others in (("event", token, "o", "column"), ("database", token, "p", "column"), ("database", token, "o", "")):
        with pytest.raises(BadSignature):
            codec.unseal_text(*others)


@pytest.mark.parametrize("token", ["", "plain", codec.MARK, f"{codec.MARK}test", f"{codec.MARK}test:%", "x:test:AAAA"])
def test_what_is_no_sealed_text_is_refused(token: str) -> None:
    with pytest.raises(Unverified):
        codec.unseal_text("database", token)


def test_a_signature_is_good_for_its_data_and_purpose_alone() -> None:
    signature = codec.sign("a", b"data")
    assert codec.is_signed("a", b"data", signature)
    wrong = [("a", b"date", signature), ("b", b"data", signature), ("a", b"data", signature[:-1]), ("a", b"data", "")]
    gone = "gone:" + signature.partition(":")[2]
    assert not any(codec.is_signed(*each) for each in [*wrong, ("a", b"data", gone), ("a", b"data", "test:ß")])


def test_a_raw_message_is_opened_as_kombu_keeps_it() -> None:
    sealed, headers = made()
    raw = {
        "headers": headers,
        "body": base64.b64encode(sealed).decode(),
        "properties": {"body_encoding": "base64"},
        "content-type": codec.SEALED,
    }
    assert codec.unseal_raw(raw).body == BODY
    assert codec.unseal_raw({**raw, "headers": {**headers, keys.DELIVERIES: 3, "redelivered": True}}).body == BODY
