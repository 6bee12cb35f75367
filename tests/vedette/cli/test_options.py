"""What people write behind options."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.submission import Options
from shared.errors import InvalidInput
from vedette.cli import options
from vedette.cli.failure import Misused


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("0.5s", 0.5), ("10m", 600), ("1h30m", 5400), (" 2H ", 7200)]
)
def test_durations(text: str, seconds: float) -> None:
    assert options.duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-1", "10 minutes", "m", "1d", "9999h", "nan", "1e3", "٣s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(Misused, match="not a time"):
        options.duration(text)


def test_names_are_split_folded_and_kept_once() -> None:
    assert options.words(["PDF, html", "pdf,"], "report format") == ["pdf", "html"]
    assert options.words(["none"], "report format") == []


def test_a_bare_address_is_a_mail_destination() -> None:
    assert options.destinations(["ann@example.org", "https://hooks.example.org/x"]) == [
        "mailto:ann@example.org",
        "https://hooks.example.org/x",
    ]


def test_a_destination_that_is_refused_is_not_repeated_as_it_may_hold_a_secret() -> None:
    with pytest.raises(Misused) as refused:
        options.destinations(["htps://hooks.example.org/SECRET"])
    assert "SECRET" not in refused.value.message + refused.value.cure


@given(st.lists(st.text(max_size=300)))
def test_tags_that_pass_here_pass_at_the_gateway(texts: list[str]) -> None:
    try:
        tags = options.tags(texts)
    except Misused:
        return
    assert Options(tags=tags).tags == tags


@given(st.lists(st.text(max_size=60)))
def test_destinations_that_pass_here_pass_at_the_gateway(texts: list[str]) -> None:
    try:
        found = options.destinations(texts)
    except Misused:
        return
    if len(found) <= 20:
        assert Options(notify=found).notify == found


@given(st.binary(max_size=400))
def test_any_file_of_targets_is_read_or_refused(content: bytes) -> None:
    import tempfile

    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(content)
        try:
            found = options.hosts([], file.name, None, None)
        except InvalidInput:
            return
    assert found
    assert all(target.expand() for target in found)


def test_a_file_that_is_no_list_is_refused(tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"a\n" * options.MAX_FILE)
    for name, why in (("big", "more than"), ("none", "cannot be read"), ("", "cannot be read")):
        with pytest.raises(Misused, match=why):
            options.lines(str(tmp_path / name))


def test_more_targets_than_one_submission_takes_are_refused_here() -> None:
    with pytest.raises(Misused, match="1001 targets"):
        options.hosts([f"h{number}" for number in range(1001)], None, None, None)


def test_too_many_destinations_or_reports_are_refused_as_misuse() -> None:
    with pytest.raises(Misused):
        options.submission("standard", "normal", [f"f{n}" for n in range(21)], [], [])
    with pytest.raises(Misused):
        options.submission("standard", "normal", [], [f"a{n}@example.org" for n in range(21)], [])


def test_a_job_begins_at_a_time_or_after_one() -> None:
    assert options.times(None, None, None) == {"not_before": None, "deadline_s": None}
    assert options.times("2026-12-31T02:00Z", None, "1h")["not_before"] == datetime(2026, 12, 31, 2, tzinfo=UTC)
    begin = options.times(None, "10m", "1h")
    assert abs(begin["not_before"] - datetime.now(UTC) - timedelta(minutes=10)) < timedelta(seconds=30)
    assert begin["deadline_s"] == 3600
    assert options.moment("2026-12-31 02:00") == datetime(2026, 12, 31, 2).astimezone()


@pytest.mark.parametrize("text", ["", "tomorrow", "25:00", "2026-13-01", "0001-01-01T00:00", "9" * 300])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Misused, match="is no time"):
        options.moment(text)


@pytest.mark.parametrize(
    ("at", "delay", "deadline"), [("2026-12-31", "10m", None), (None, None, "9s"), (None, None, "200h")]
)
def test_times_that_cannot_be_are_refused(at: str | None, delay: str | None, deadline: str | None) -> None:
    with pytest.raises(Misused):
        options.times(at, delay, deadline)
