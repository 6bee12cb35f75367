from __future__ import annotations

import json

import pytest

from tests.vedette.lab import TOKEN, Lab, Vedette
from vedette.cli.standing import judged


def _said(vedette: Vedette, *options: str) -> dict[str, dict[str, object]]:
    return {check["name"]: check for check in json.loads(vedette("doctor", "--json", *options).out)}


def test_the_doctor_says_as_whom_one_is_known_and_compares_the_clocks(vedette: Vedette, lab: Lab) -> None:
    found = _said(vedette)
    assert found["log-in"]["detail"] == f"token in local at {lab.url}"
    assert (found["clock"]["ok"], found["clock"]["detail"]) == (True, "as the gateway's")


def test_a_token_that_holds_no_more_is_wrong_and_the_clock_is_compared_all_the_same(vedette: Vedette, lab: Lab) -> None:
    found = _said(vedette, "--url", lab.url, "--token", f"{TOKEN}x")
    assert (found["log-in"]["ok"], found["clock"]["ok"]) == (False, True)
    assert "vedette login" in str(found["log-in"]["cure"])


def test_a_gateway_that_is_not_there_is_wrong(vedette: Vedette) -> None:
    found = _said(vedette, "--url", "http://127.0.0.1:1", "--token", "x")
    assert found["log-in"]["ok"] is False
    assert "cannot be reached" in str(found["log-in"]["detail"])


def test_without_a_log_in_nothing_is_wrong(vedette: Vedette, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VEDETTE_URL", raising=False)
    monkeypatch.delenv("VEDETTE_TOKEN", raising=False)
    assert _said(vedette)["log-in"]["ok"] is True


@pytest.mark.parametrize(
    ("ahead_s", "ok", "detail"),
    [
        (29.0, True, "as the gateway's"),
        (31.0, False, "31 s ahead of the gateway's"),
        (-90.0, False, "90 s behind the gateway's"),
    ],
)
def test_a_clock_that_is_half_a_minute_off_is_wrong(ahead_s: float, ok: bool, detail: str) -> None:
    found = judged(ahead_s)
    assert (found.ok, found.detail) == (ok, detail)
