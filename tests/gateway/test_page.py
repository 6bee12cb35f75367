from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import page
from shared.ids import new_id


def test_a_cursor_leads_back_to_its_place_and_does_not_show_it() -> None:
    job_id = new_id()
    assert page.place(page.cursor(job_id)) == job_id
    assert job_id not in page.cursor(job_id)
    assert page.place("") == ""


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")) | st.text().map(page.cursor))
def test_any_other_cursor_is_refused(given_cursor: str) -> None:
    if given_cursor:
        with pytest.raises(page.CursorUnreadable):
            page.place(given_cursor)
