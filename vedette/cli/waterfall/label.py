"""What stands left of a bar, and below it: what the span is called, and why it failed."""

from __future__ import annotations

from rich.text import Text

from shared.contracts.trace import Segment, Span, SpanState, Trace
from vedette.cli import words
from vedette.cli.waterfall.bar import style
from vedette.cli.waterfall.glyphs import Glyphs
from vedette.cli.waterfall.outline import Line
from vedette.cli.waterfall.took import took


def label(line: Line, trace: Trace, glyphs: Glyphs) -> Text:
    """`│ ├ run scan #2`, as long as it is."""
    text = Text(line.lead, "bright_black")
    span = line.span
    if span is None:
        return text.append(f"{glyphs.signs.more} {line.hidden} more, {took(line.hidden_s)}", "dim")
    text.append(words.fitting(words.line(_name(span, trace)), glyphs.signs), _style(span))
    if span.attempt and (line.is_one_of or span.attempt > 1) and span.segment is not Segment.WORK:
        text.append(f" #{span.attempt}", "bold")
    if span.group and span.group.count > 1:
        text.append(f" {glyphs.times}{span.group.count}", "bold")
    if span.is_parent_missing:
        text.append(" ?", "dim")
    return text


def remarks(span: Span, glyphs: Glyphs) -> list[Text]:
    """Return what has to be said of a span in lines of its own."""
    if span.state is SpanState.LOST and span.error is None:
        return [Text(f"{glyphs.failed} its worker died; what it did is not known", "red")]
    if span.error is None or span.segment is Segment.JOB:
        return []
    error = span.error
    facts = [error.failure_class, f"fingerprint {error.fingerprint}" if error.fingerprint else ""]
    told = f" ({f' {glyphs.signs.dot} '.join(words.line(fact) for fact in facts if fact)})" if any(facts) else ""
    text = Text.assemble(
        (f"{glyphs.failed} {words.line(error.type or error.code) or 'failed'}", "bold red"), (told, "red")
    )
    if not error.message:
        return [text]
    return [text, Text(words.fitting(words.line(error.message), glyphs.signs), "red")]


def _name(span: Span, trace: Trace) -> str:
    if span.segment is not Segment.JOB:
        return span.name
    job = next((each for each in trace.jobs if each.id == span.job_id), None)
    if job is None or len(trace.jobs) < 2:
        return span.name
    return f"job {words.short(job.id)} {job.target}"


def _style(span: Span) -> str:
    if span.error or span.state in {SpanState.ERROR, SpanState.LOST}:
        return "red"
    if span.segment is Segment.RUN:
        return style(span)
    return "bold" if span.segment is Segment.JOB else "dim" if span.segment in {Segment.WAIT, Segment.BACKOFF} else ""
