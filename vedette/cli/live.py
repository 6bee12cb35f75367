"""The view of one job while it runs: on a terminal lines that move, elsewhere a line for each thing that is over."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text

from shared.contracts.job import JobView, Progress, StepState, StepView
from shared.ids import now
from vedette.cli import words
from vedette.cli.words import UNICODE, Marks

BAR = 16  # characters
LOG_EVERY_S = 15.0  # a build log that is silent for longer looks dead
REFRESH_HZ = 8


class View(Protocol):
    """Shows a job until its block ends."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def update(self, job: JobView) -> None: ...


class Screen:
    """Lines that move, on a terminal. Everything goes to stderr: stdout is for the result."""

    def __init__(self, console: Console) -> None:
        self._job: JobView | None = None
        self._signs = words.marks(console.file)
        self._console = console
        self._live = Live(console=console, refresh_per_second=REFRESH_HZ, get_renderable=self._render)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live.is_started:
            self._live.__exit__(kind, exc, trace)

    def update(self, job: JobView) -> None:
        self._job = job
        if not self._live.is_started:
            self._live.start()
        if job.state.is_terminal:
            self._live.refresh()

    def _render(self) -> Text:
        if self._job is None:
            return Text()
        lines = [*header(self._job, self._console.width), *stage_lines(self._job, self._signs)]
        for line in lines:
            line.truncate(self._console.width, overflow="ellipsis")
        return Text("\n").join(lines)


class Log:
    """One line for each thing that is over, and a sign of life now and then."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._signs = words.marks(console.file)
        self._told: dict[tuple[str, str], tuple[StepState, int]] = {}
        self._last = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, job: JobView) -> None:
        if not self._last:
            self._print(header(job)[0])
        for step in job.steps:
            mark = (step.state, step.attempt)
            if step.state in _WORTH_A_LINE and not step.part and self._told.get((step.stage, step.part)) != mark:
                self._told[step.stage, step.part] = mark
                self._print(stage_line(step, self._signs))
        if time.monotonic() - self._last > LOG_EVERY_S and (moving := running(job)):
            self._print(stage_line(moving, self._signs))

    def _print(self, text: Text) -> None:
        self._last = time.monotonic()
        self._console.print(text, soft_wrap=True)


_WORTH_A_LINE = {StepState.SUCCEEDED, StepState.FAILED, StepState.RETRYING, StepState.SKIPPED, StepState.CANCELLED}


class Silence:
    """Shows nothing: --quiet."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def update(self, job: JobView) -> None:
        del job


def view(console: Console, *, is_quiet: bool) -> View:
    """Return the view that fits the stream."""
    if is_quiet:
        return Silence()
    return Screen(console) if console.is_terminal else Log(console)


def header(job: JobView, width: int | None = None) -> list[Text]:
    """`Job 3f0f6e1b  host 127.0.0.1  standard  trace 4bf9…`; the trace has its own line where there is no room."""
    text = Text.assemble(("Job ", "dim"), (words.short(job.id), "bold"), f"  {job.kind} {words.line(job.target)}")
    text.append(f"  {job.profile}", "dim")
    if not job.trace_id:
        return [text]
    trace = Text(f"  trace {job.trace_id}", "dim")
    return [text, trace] if width and text.cell_len + trace.cell_len > width else [Text.assemble(text, trace)]


def stage_lines(job: JobView, signs: Marks) -> list[Text]:
    """Return a line for each stage, and one for each part that failed."""
    lines = []
    for step in job.steps:
        if not step.part:
            is_held = job.waiting is not None and job.waiting.stage is step.stage
            lines.append(stage_line(step, signs, job.waiting.why if is_held and job.waiting else ""))
        elif step.state is StepState.FAILED and step.failure:
            lines.append(Text(f"           {signs.failed} {step.part}  {words.line(step.failure.message)}", "red"))
    return lines


def stage_line(step: StepView, signs: Marks, why: str = "") -> Text:
    """`  scan     ✓   2.4 s   waited 0.1 s   1000 ports · 5 open`; of a step that stands still, `why`."""
    text = Text(f"  {step.stage:<8} ")
    if step.state is StepState.RUNNING:
        return text.append_text(_moving(step, signs))
    sign, style = mark(step.state, signs)
    text.append(f"{sign:<2} ", style)
    if step.state in {StepState.PENDING, StepState.SKIPPED, StepState.CANCELLED}:
        return text.append(words.fitting(_standing(step, why), signs), "dim")
    text.append(f"{words.seconds(step.ran_s):>6}")
    waited = f"waited {words.seconds(step.waited_s)}" if step.waited_s and step.waited_s >= 0.05 else ""
    text.append(f"   {waited:<14} ", "dim")
    return text.append(_said(step, signs), "" if step.state is StepState.SUCCEEDED else style)


def bar(done: int, total: int, signs: Marks, width: int = BAR) -> Text:
    """Return a bar of `width` characters."""
    halves = int(min(done / total, 1.0) * width * 2) if total else 0
    full, half = divmod(halves, 2)
    if signs is not UNICODE:
        return Text("#" * full + "-" * (width - full))
    bar = Text()
    bar.append("━" * full + ("╸" if half else ""), "cyan")
    # A thinner line, not only another colour: a full and an empty bar have to differ where there are no colours.
    return bar.append("─" * (width - full - half), "bright_black")


def running(job: JobView) -> StepView | None:
    """Return the stage that runs now."""
    return next((step for step in job.steps if step.state is StepState.RUNNING and not step.part), None)


def percent(progress: Progress) -> str:
    return f"{min(100 * progress.done // progress.total, 100) if progress.total else 0:3d} %"


def _moving(step: StepView, signs: Marks) -> Text:
    elapsed = words.seconds(max((now() - step.started_at).total_seconds(), 0.0)) if step.started_at else ""
    if not (so_far := step.progress):
        return Text(f"{signs.running:<2} {elapsed:>6}   running", "cyan")
    text = bar(so_far.done, so_far.total, signs).append(f" {percent(so_far)} ", "bold")
    text.append(f"{elapsed:>7}   ", "dim")
    return text.append(words.line(words.fitting(doing(so_far, signs), signs)))


def doing(so_far: Progress, signs: Marks) -> str:
    """`critical · 39 ports · 120 of 344`"""
    facts = [so_far.current_group]
    if so_far.current_group and so_far.group_size:
        facts.append(words.plural(so_far.group_size, so_far.unit))
    facts.append(so_far.note or f"{so_far.done} of {so_far.total}")
    return f" {signs.dot} ".join(fact for fact in facts if fact)


def _standing(step: StepView, why: str) -> str:
    if step.state is not StepState.PENDING:
        return f"      {step.state}"
    if step.ready_at is None:
        return ""
    waited_s = max((now() - step.ready_at).total_seconds(), 0.0)
    return f"{words.seconds(waited_s):>6}   {words.line(why) or 'waiting for a worker'}"


def _said(step: StepView, signs: Marks) -> str:
    if step.failure is None:
        return words.fitting(words.line(step.summary), signs)
    message = words.fitting(words.line(step.failure.message), signs)
    if step.state is not StepState.RETRYING or step.next_attempt_at is None:
        return message
    in_s = max((step.next_attempt_at - now()).total_seconds(), 0.0)
    return f"attempt {step.attempt + 1} in {words.seconds(in_s)}: {message}"


def mark(state: StepState, signs: Marks) -> tuple[str, str]:
    """Return the sign of a state and its style."""
    return {
        StepState.SUCCEEDED: (signs.done, "green"),
        StepState.FAILED: (signs.failed, "red"),
        StepState.RETRYING: (signs.again, "yellow"),
        StepState.SKIPPED: (signs.skipped, "dim"),
        StepState.CANCELLED: (signs.skipped, "dim"),
    }.get(state, (signs.waiting, "dim"))
