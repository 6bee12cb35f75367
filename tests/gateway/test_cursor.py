from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import cursor
from gateway.cursor import CursorRefused
from shared import keyring
from shared.ids import new_id

LIST = "/api/v1/jobs?state=failed"


def test_a_cursor_leads_back_to_its_place_and_does_not_show_it() -> None:
    place = ["2026-11-25 10:00:00+00:00", new_id()]
    made = cursor.sealed(place, "local", LIST)
    assert cursor.opened(made, "local", LIST) == place
    assert not any(part in made for part in place)
    assert len(made) < cursor.MAX_LENGTH


def test_the_same_place_has_the_same_cursor() -> None:
    assert cursor.sealed(["1"], "local", LIST) == cursor.sealed(["1"], "local", LIST)


@pytest.mark.parametrize(
    ("org_id", "which"),
    [("other", LIST), ("local", "/api/v1/jobs?state=dead"), ("local", "/api/v1/jobs?"), ("local", "/api/v1/findings?")],
)
def test_it_holds_for_its_organisation_list_and_filter_alone(org_id: str, which: str) -> None:
    with pytest.raises(CursorRefused) as caught:
        cursor.opened(cursor.sealed(["1"], "local", LIST), org_id, which)
    assert (caught.value.status, "begin again" in caught.value.cure) == (400, True)


@given(st.text() | st.binary().map(lambda raw: f"{keyring.current()}.{raw.decode('latin-1')}"))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(CursorRefused):
        cursor.opened(text, "local", LIST)


@given(st.data())
def test_a_cursor_with_another_letter_is_refused(data: st.DataObject) -> None:
    made = cursor.sealed([new_id()], "local", LIST)
    at = data.draw(st.integers(0, len(made) - 2))  # the last letter has bits that base64 leaves out
    letter = data.draw(st.sampled_from("abcXYZ019-_."))
    if letter != made[at]:
        with pytest.raises(CursorRefused):
            cursor.opened(made[:at] + letter + made[at + 1 :], "local", LIST)
