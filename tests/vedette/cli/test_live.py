"""What a job looks like while it runs, frame by frame of a recorded one."""

from __future__ import annotations

import io
import re
from datetime import timedelta

import pytest
from rich.console import Console

from shared.contracts.job import Failure, JobState, JobView, Progress, StepState
from shared.ids import now
from tests.vedette.cli.recording import frames
from vedette.cli import crowd, live, words
from vedette.cli.waiting import verdict


def _lines(job: JobView, signs: words.Marks = words.UNICODE) -> list[str]:
    return [line.plain for line in live.stage_lines(job, signs)]


def _first(job: JobView, **changes: object) -> JobView:
    return job.model_copy(update={"steps": [job.steps[0].model_copy(update=changes), *job.steps[1:]]})


@pytest.mark.parametrize("job", frames(), ids=lambda job: job.state)
def test_every_frame_has_a_line_for_each_stage(job: JobView) -> None:
    assert [line.split()[0] for line in _lines(job)] == ["scan", "process", "report", "notify"]


def test_a_finished_stage_says_how_long_it_ran_and_waited_and_what_came_out() -> None:
    first = _lines(frames()[-1])[0]
    assert first.startswith("  scan     ✓ ")
    assert first.endswith("65535 ports · 5 open")


def test_a_moving_stage_has_a_bar_and_its_port_group() -> None:
    assert "   0 %" in _lines(frames()[2])[0]
    assert "critical · 35 ports · 35 of 65535" in _lines(frames()[2])[0]
    assert "━" * live.BAR in re.sub("[╸─]", "━", _lines(frames()[4])[0])


def test_a_note_says_what_is_done_where_there_is_no_group() -> None:
    assert _lines(frames()[7])[0].endswith("identifying services")


def test_a_stage_that_waits_says_so() -> None:
    job = _first(frames()[0], ready_at=now() - timedelta(seconds=3))
    assert "3.0 s   waiting for a worker" in _lines(job)[0]
    assert _lines(job)[1].rstrip() == "  process  ○"


def test_a_retried_stage_says_when_and_why() -> None:
    failure = Failure(code="x", failure_class="temporary", message="No answer.")
    at = now() + timedelta(seconds=30)
    job = _first(frames()[1], state=StepState.RETRYING, attempt=1, failure=failure, next_attempt_at=at)
    assert "↻" in _lines(job)[0]
    assert "attempt 2 in 30 s: No answer." in _lines(job)[0]


def test_a_failed_part_has_a_line_of_its_own() -> None:
    job = frames()[-1]
    failure = Failure(code="x", failure_class="permanent", message="No paper.")
    changes = {"state": StepState.FAILED, "failure": failure}
    steps = [step.model_copy(update=changes) if step.part == "html" else step for step in job.steps]
    assert "           ✗ html  No paper." in _lines(job.model_copy(update={"steps": steps}))


def test_what_the_target_says_cannot_steer_the_terminal() -> None:
    evil = "\x1b]0;owned\x07\x9b31m\u202e\r\n[red]x[/red]"
    job = _first(frames()[-1], summary=evil).model_copy(update={"target": evil})
    out = _screen(job)
    assert not any(sign in out for sign in ("\x1b", "\x07", "\x9b", "\u202e", "\r"))
    assert "[red]x[/red]" in out


def test_a_plain_stream_gets_ascii_alone() -> None:
    for job in frames():
        text = "\n".join([live.header(job)[0].plain, *_lines(job, words.ASCII), verdict(job, words.ASCII).plain])
        assert text.isascii()


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_is_wider_than_the_screen(width: int) -> None:
    for job in frames():
        assert all(len(line) <= width for line in _screen(job, width).splitlines())


def test_a_log_tells_each_end_once_and_nothing_twice() -> None:
    out = io.StringIO()
    log = live.Log(Console(file=out, width=200))
    for job in frames():
        log.update(job)
        log.update(job)
    said = out.getvalue().splitlines()
    assert [line.split()[0] for line in said] == ["Job", "scan", "process", "report", "notify"]


def test_a_long_stage_gives_a_sign_of_life_in_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "LOG_EVERY_S", 0.0)
    out = io.StringIO()
    live.Log(Console(file=out, width=200)).update(frames()[4])
    assert "% " in out.getvalue()


def test_the_verdict_has_time_score_grade_and_severities() -> None:
    job = frames()[-1].model_copy(
        update={"total_s": 3.1, "score": 71, "grade": "C", "severities": {"high": 3, "low": 4}}
    )
    assert verdict(job, words.UNICODE).plain == "✓ Succeeded in 3.1 s   Score 71 (C)   3 high · 4 low"


def test_many_jobs_fit_the_screen_with_those_that_move_first() -> None:
    queued, moving, done = frames()[0], frames()[4], frames()[-1]
    many = [queued] * 30 + [done] * 10 + [moving]
    console = Console(file=io.StringIO(), width=80, height=20, force_terminal=True, color_system=None)
    console.print(crowd.table(many, console, words.UNICODE))
    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert len(lines) <= 20
    assert "running" in lines[0]
    assert lines[-2].strip() == "… 26 more"
    assert lines[-1].startswith("10 of 41 over · 1 running · 30 queued · 10 high · 10 medium")


def test_the_exit_code_of_a_job_is_its_worst_news() -> None:
    from vedette.cli.waiting import code

    job = frames()[-1].model_copy(update={"severities": {"medium": 1}})
    partial = job.model_copy(update={"state": JobState.PARTIAL})
    assert (code(job, None), code(job, "high"), code(job, "medium"), code(job, "info")) == (0, 0, 3, 3)
    assert (code(partial, None), code(partial, "low")) == (9, 3)
    for state in (JobState.FAILED, JobState.DEAD, JobState.CANCELLED):
        assert code(job.model_copy(update={"state": state}), "low") == 1


def test_a_long_time_keeps_its_distance_from_the_sign() -> None:
    line = live.stage_line(frames()[-1].steps[0].model_copy(update={"ran_s": 390.0}), words.ASCII).plain
    assert "ok 6 m 30 s" in line


@pytest.mark.parametrize(("width", "lines"), [(80, 1), (70, 2)])
def test_a_trace_without_room_has_a_line_of_its_own_and_is_whole(width: int, lines: int) -> None:
    job = frames()[-1].model_copy(update={"target": "127.0.0.1", "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"})
    shown = live.header(job, width)
    assert len(shown) == lines
    assert shown[-1].plain.endswith(f"  trace {job.trace_id}")


def test_one_port_is_not_several() -> None:
    progress = Progress(done=0, total=1, unit="ports", current_group="critical", group_size=1)
    assert live.doing(progress, words.UNICODE) == "critical · 1 port · 0 of 1"


def _screen(job: JobView, width: int = 80) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    screen = live.Screen(console)
    screen.update(job)
    text = screen._render().plain
    screen.__exit__(None, None, None)
    return text
