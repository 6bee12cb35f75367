"""How a replay is asked for. What needs dead letters is in `test_dlq`."""

from __future__ import annotations

import pytest

from tests.vedette.lab import Vedette
from vedette.cli import options, replay
from vedette.cli.failure import Misused


@pytest.mark.parametrize(
    ("text", "per_second"), [("2/s", 2.0), ("2", 2.0), ("30/m", 0.5), ("3600/h", 1.0), ("0.5/s", 0.5), (" 2/S ", 2.0)]
)
def test_rates(text: str, per_second: float) -> None:
    assert options.rate(text) == per_second


@pytest.mark.parametrize("text", ["0", "-1/s", "2/d", "fast", "1e9", "99999/s", "nan"])
def test_what_is_no_rate(text: str) -> None:
    with pytest.raises(Misused, match="rate"):
        options.rate(text)


@pytest.mark.parametrize(("text", "share"), [("20%", 0.2), ("0.2", 0.2), ("100 %", 1.0), ("", 1.0), ("0", 0.0)])
def test_shares(text: str, share: float) -> None:
    assert options.share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["20", "101%", "-1%", "half", "1.5"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(Misused, match="share"):
        options.share(text)


def _how(**given: object) -> dict[str, object]:
    nothing = {"stage": None, "whole": False, "skip": None, "queue": None, "change": [], "force": False}
    return replay._how(**nothing | given).model_dump(mode="json")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "mode"),
    [
        ({}, "as-is"),
        ({"stage": "process"}, "from-stage"),
        ({"whole": True}, "whole"),
        ({"skip": "by hand"}, "skip"),
        ({"queue": "scan.heavy"}, "to-queue"),
        ({"change": ["ports=22"]}, "edited"),
    ],
)
def test_one_option_is_one_mode(given: dict[str, object], mode: str) -> None:
    assert _how(**given)["mode"] == mode


def test_two_modes_exclude_each_other() -> None:
    with pytest.raises(Misused, match="--whole and --skip"):
        _how(whole=True, skip="x")


def test_changes_are_text_unless_they_are_json() -> None:
    changes = _how(change=["ports=22,443", 'reports=["pdf"]', "a=true", "b={x", "c=", "d=1=2"])["changes"]
    assert changes == {"ports": "22,443", "reports": ["pdf"], "a": True, "b": "{x", "c": "", "d": "1=2"}
    for wrong in ("ports", "=22"):
        with pytest.raises(Misused, match="changes nothing"):
            _how(change=[wrong])


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["replay"], "one way"),
        (["replay", "3f0f6e1b", "--all"], "one way"),
        (["replay", "-q", ""], "empty"),
        (["discard", "-q", " ", "--expect", "3"], "empty"),
        (["replay", "../x"], "not the id"),
        (["replay", "--all", "--force"], "--force"),
        (["replay", "--all", "--rate", "quick"], "rate"),
        (["discard"], "one way"),
        (["rules", "add", "--class", "external"], "in common"),
        (["snooze", "3f0f6e1b", "--for", "soon"], "not a time"),
        (["classify", "3f0f6e1b", "odd"], "odd"),
        (["list", "--class", "odd"], "odd"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_started(
    vedette: Vedette, arguments: list[str], named: str
) -> None:
    ran = vedette("dlq", *arguments, "--url", "http://127.0.0.1:1")
    assert (ran.code, ran.out) == (2, "")
    assert named in ran.err
    assert "fix: " in ran.err
