"""The whole picture: it fits, it can be read, and it says what it knows."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some
from rich.console import Console

from shared.contracts.job import JobState
from shared.contracts.trace import RelatedTrace, Relation, Segment, Span, SpanError, SpanState, Stretch, Totals, Trace
from tests.vedette.cli.waterfall.falling import AT, JOB, TRACE, retried, span, top, trace
from vedette.cli.screen import Screen
from vedette.cli.waterfall import Waterfall
from vedette.cli.waterfall.drawing import LEAST
from vedette.cli.waterfall.glyphs import ASCII, UNICODE, Glyphs
from vedette.cli.waterfall.moving import MovingWaterfall, fitting


def drawn(
    of: Trace, width: int = 80, glyphs: Glyphs = UNICODE, *, is_whole: bool = False, is_even: bool = False
) -> str:
    waterfall = Waterfall(of, width, glyphs, is_whole=is_whole, is_even=is_even)
    return "\n".join(line.plain for line in waterfall.lines())


def row(picture: str, name: str) -> str:
    return next(line for line in picture.splitlines() if name in line)


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
@pytest.mark.parametrize("glyphs", [UNICODE, ASCII], ids=["unicode", "ascii"])
def test_no_line_is_wider_than_asked_and_the_durations_are_at_the_edge(width: int, glyphs: Glyphs) -> None:
    picture = drawn(retried(), width, glyphs)
    assert all(len(line) <= width for line in picture.splitlines())
    assert len(row(picture, "run process")) == width
    assert row(picture, "run process").endswith(" 200 ms")


def test_what_has_to_be_known_is_there_without_colours_and_at_60_columns() -> None:
    picture = drawn(retried(), 60, ASCII)
    for said in ("3f0f6e1b", "succeeded", "1 m 05 s", "ran 7 %", "backed off 92 %", "waited 1 %", "run scan #1"):
        assert said in picture
    for said in ("run scan #2", "connect x12", "HostSilent", "3f2a9c01d4e5b677", "did not answer", "~ 1 m 00 s"):
        assert said in picture
    assert row(picture, "run scan #1").endswith("1.50 s")
    assert row(picture, "run scan #1").lstrip().startswith("*")
    assert row(picture, "POST").startswith(" ")
    assert picture.isascii()


def test_without_compression_the_back_off_takes_its_share() -> None:
    assert row(drawn(retried()), "backoff").count("·") == 6
    assert row(drawn(retried(), is_even=True), "backoff").count("·") > 40
    assert "≈" not in drawn(retried(), is_even=True)


def test_the_shares_of_the_time_add_up_to_a_hundred() -> None:
    totals = Totals(ran_s=1, waited_s=1, backed_off_s=1, spans=2)
    assert "ran 34 % · waited 33 % · backed off 33 %" in drawn(trace([top(3)], totals=totals))


def test_a_job_that_goes_on_says_so_and_how_to_follow_it() -> None:
    live = trace([top(5, state=SpanState.LIVE), span("run scan", 1, 5, state=SpanState.LIVE)], JobState.RUNNING)
    assert "5.00 s so far" in drawn(live)
    assert "▸" in row(drawn(live), "run scan")
    assert Waterfall(live, 80, UNICODE).nexts()[0] == ("Follow", "vedette jobs trace 3f0f6e1b --follow")


def test_a_worker_that_died_is_told_in_words() -> None:
    lost = trace([top(5), span("run scan", 1, 5, state=SpanState.LOST)], JobState.DEAD)
    assert "its worker died" in drawn(lost)
    assert "╳" in row(drawn(lost), "run scan")
    assert ("Why", "vedette jobs explain 3f0f6e1b") in Waterfall(lost, 80, UNICODE).nexts()


def test_why_something_failed_is_told_once_where_what_is_inside_failed_alike() -> None:
    error = SpanError(type="ReceiverBusy", message="It answered 503.", fingerprint="af50f34b76662894")
    failed = {"state": SpanState.ERROR, "error": error}
    spans = [top(1), span("run notify", 0, 1, **failed), span("notify http", 0, 1, "run notify", depth=2, **failed)]
    assert drawn(trace(spans)).count("503") == 1
    assert drawn(trace([top(1, **failed), *spans[1:]], JobState.FAILED)).count("503") == 1
    other = SpanError(type="ReceiverGone", message="It answered 410.")
    spans.append(span("notify mail", 0, 1, "run notify", depth=2, state=SpanState.ERROR, error=other))
    assert drawn(trace(spans)).count("answered") == 2


def test_what_is_not_known_is_said() -> None:
    bare = trace([top(1)], is_recorded=False, is_cut=True, totals=Totals(spans=1, dropped=7))
    for said in ("steps alone", "7 spans were too many", "more spans than are shown"):
        assert said in drawn(bare)


def test_the_traces_that_go_with_it_are_commands_to_type() -> None:
    related = [RelatedTrace(relation=Relation.ORIGIN, trace_id="0" * 32, job_id="01a21547-a50e-77cd-b90c-000011112222")]
    related.append(RelatedTrace(relation=Relation.BATCH, trace_id="1" * 32))
    picture = drawn(trace([top(1)], related=related))
    assert row(picture, "repeats").split() == ["repeats", "vedette", "jobs", "trace", "11112222"]
    assert row(picture, "batch").endswith("1" * 32)


@pytest.mark.parametrize("relation", Relation)
def test_whatever_another_trace_is_to_this_one_has_a_word(relation: Relation) -> None:
    assert f"vedette jobs trace {'1' * 32}" in drawn(
        trace([top(1)], related=[RelatedTrace(relation=relation, trace_id="1" * 32)])
    )


def test_the_request_of_a_batch_names_five_of_its_jobs_and_counts_the_others() -> None:
    ids = [f"01a21547-a50e-77cd-b90c-{number:012}" for number in range(7)]
    related = [RelatedTrace(relation=Relation.JOB, trace_id=f"{number:032}", job_id=ids[number]) for number in range(7)]
    picture = drawn(trace([span("POST /api/v1/jobs", 0, 1, None)], jobs=[], related=related))
    assert picture.startswith(f"trace {TRACE}")
    assert row(picture, "job").split() == ["job", "vedette", "jobs", "trace", "00000000"]
    assert "00000004" in picture
    assert "00000005" not in picture
    assert "2 more" in picture


def test_an_earlier_run_is_followed_up_by_its_trace_since_its_job_means_the_last() -> None:
    later = [RelatedTrace(relation=Relation.LATER_RUN, trace_id="3" * 32, job_id=JOB)]
    of = trace([top(1), span("send scan", 0, 1)], related=later)
    assert Waterfall(of, 80, UNICODE).nexts() == [("1 span more", f"vedette jobs trace {TRACE} --expand")]


def test_an_earlier_run_is_asked_for_as_a_run_of_this_job() -> None:
    related = [RelatedTrace(relation=Relation.EARLIER_RUN, trace_id="2" * 32, job_id=JOB)]
    assert row(drawn(trace([top(1)], related=related)), "earlier run").endswith("2" * 32)


def test_what_strangers_say_cannot_steer_the_terminal() -> None:
    evil = "\x1b]0;owned\x07\x9b31m\u202e\r\n[red]x[/red]"
    error = SpanError(type=evil, message=evil, fingerprint=evil, failure_class=evil)
    picture = drawn(trace([top(1), span(evil, 0, 1, error=error, state=SpanState.ERROR)]))
    out = io.StringIO()
    Screen(file=out, width=80, highlight=False, markup=False).print(picture)
    assert not any(sign in out.getvalue() for sign in ("\x1b", "\x07", "\x9b", "\u202e", "\r"))
    assert "[red]x[/red]" in picture


def test_a_screen_that_is_too_low_shows_the_head_and_the_last_rows() -> None:
    spans = [top(100), *(span(f"run scan {n}", n, n + 1, segment=Segment.RUN) for n in range(100))]
    waterfall = Waterfall(trace(spans), 80, UNICODE)
    lines = [line.plain for line in fitting(waterfall, 20)]
    assert len(lines) == 20
    assert lines[0].startswith("Job 3f0f6e1b")
    assert "run scan 99" in lines[-1]
    assert len(fitting(waterfall, 1000)) == len(waterfall.lines())


def test_what_moves_is_taken_away_at_the_end_and_where_it_is_quiet_nothing_is_drawn() -> None:
    out = io.StringIO()
    waterfall = Waterfall(retried(), 80, UNICODE)
    terminal = Console(file=out, width=80, height=60, force_terminal=True, color_system=None)
    with MovingWaterfall(terminal, is_quiet=False) as moving:
        moving.update(waterfall)
        moving.update(waterfall)
    assert "run scan #2" in out.getvalue()
    assert out.getvalue().endswith("\x1b[2K")
    drawn = out.getvalue()
    with MovingWaterfall(terminal, is_quiet=True) as moving:
        moving.update(waterfall)
    assert out.getvalue() == drawn


LONG = some.floats(-1e12, 1e12)  # seconds: thirty thousand years
_SPANS = some.builds(
    Span,
    id=some.sampled_from("abcdefgh"),
    parent_id=some.sampled_from([None, *"abcdefgh"]),
    depth=some.integers(0, 30),
    name=some.text(max_size=50),
    job_id=some.just(JOB),
    start_s=some.floats(-5, 500) | LONG,
    duration_s=some.floats(0, 500) | LONG,
    attributes=some.just({}),
    links=some.just([]),
)
_STRETCHES = some.builds(Stretch, span_id=some.sampled_from("abcdefgh"), start_s=LONG, duration_s=LONG)


@given(
    some.lists(_SPANS, max_size=8, unique_by=lambda each: each.id),
    some.lists(_STRETCHES, max_size=5),
    some.integers(LEAST, 150),
    some.booleans(),
)
def test_every_trace_can_be_drawn(spans: list[Span], path: list[Stretch], width: int, is_whole: bool) -> None:
    of = trace(spans, critical_path=path, as_of=AT + timedelta(seconds=1), trace_id=TRACE)
    for glyphs in (UNICODE, ASCII):
        for line in Waterfall(of, width, glyphs, is_whole=is_whole).lines():
            assert line.cell_len <= width
            assert "\n" not in line.plain
