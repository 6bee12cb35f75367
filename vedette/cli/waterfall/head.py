"""What is said above a waterfall and below it: whose it is, where its time went, what its signs mean, what is next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from shared.contracts.job import JobState
from shared.contracts.trace import RelatedTrace, Relation, Segment, SpanState, Trace, TracedJob
from vedette.cli import words
from vedette.cli.waterfall.fold import fold, spelled
from vedette.cli.waterfall.glyphs import Glyphs
from vedette.cli.waterfall.outline import Line, hidden
from vedette.cli.waterfall.took import took

JOBS = 3  # of a trace that are told one by one
RELATED = 5  # other traces
GAP = 0.02  # of the time; a shorter one is too short to be seen
_RELATED = {
    Relation.ORIGIN: "repeats",
    Relation.REPEAT: "repeated by",
    Relation.EARLIER_RUN: "earlier run",
    Relation.LATER_RUN: "later run",
    Relation.BATCH: "batch",
    Relation.JOB: "job",
}
_FAILED = {JobState.FAILED, JobState.DEAD}


def heads(trace: Trace, glyphs: Glyphs, width: int) -> list[Text]:
    """Return a line for each job, one that says where the time went, and those that say what is not known."""
    lines = [line for job in trace.jobs[:JOBS] for line in fold(_job(job, trace, glyphs), width, joint="  ", indent=4)]
    if not trace.jobs:
        lines.append(Text(f"trace {words.line(trace.trace_id)}", "dim"))
    if len(trace.jobs) > JOBS:
        lines.append(Text(f"{glyphs.signs.more} {len(trace.jobs) - JOBS} more jobs", "dim"))
    lines += where(trace, glyphs, width)
    for each in trace.related[:RELATED]:
        text = Text.assemble((f"  {_RELATED[each.relation]:<12}", "dim"), _other(each, trace))
        lines += fold([text], width, indent=4)
    if len(trace.related) > RELATED:
        lines.append(Text(f"  {glyphs.signs.more} {len(trace.related) - RELATED} more", "dim"))
    return lines + [line for text in _unknown(trace) for line in fold(spelled(Text(text, "yellow")), width)]


def where(trace: Trace, glyphs: Glyphs, width: int) -> list[Text]:
    """`ran 62 % · waited 21 % · backed off 12 % · idle 5 % · 23 spans · 5 processes`"""
    totals = trace.totals
    shares = {
        "ran": (totals.ran_s, "cyan"),
        "waited": (totals.waited_s, "yellow"),
        "backed off": (totals.backed_off_s, "yellow"),
        "lost": (totals.lost_s, "red"),
        "idle": (totals.idle_s, "dim"),
    }
    percents = _percents([value for value, _ in shares.values()])
    said = [
        Text(f"{name} {share} %", style)
        for (name, (_, style)), share in zip(shares.items(), percents, strict=True)
        if share
    ]
    facts = [words.plural(totals.spans, "spans"), _processes(totals.processes)]
    said += [Text(fact, "dim") for fact in facts if fact]
    if totals.errors:
        said.append(Text(words.plural(totals.errors, "errors"), "red"))
    return fold(said, width, joint=f" {glyphs.signs.dot} ")


def legend(trace: Trace, lines: Sequence[Line], glyphs: Glyphs, width: int, *, is_short: bool) -> list[Text]:
    """Return what the signs mean that were drawn. is_short: some time was left out."""
    spans = [line.span for line in lines if line.span]
    segments = {span.segment for span in spans}
    is_work = bool(segments - {Segment.JOB, Segment.WAIT, Segment.BACKOFF})
    known = [
        (glyphs.critical, "the end waited for this work", is_work and any(span.is_critical for span in spans)),
        (glyphs.beside, "other work", is_work),
        (glyphs.gap, "nobody worked", any(gap.duration_s > GAP * trace.duration_s for gap in trace.gaps)),
        (glyphs.wait, "waited", Segment.WAIT in segments),
        (glyphs.backoff, "backed off", Segment.BACKOFF in segments),
        (glyphs.lost, "lost", any(span.state is SpanState.LOST for span in spans)),
        (glyphs.live, "goes on", any(span.state is SpanState.LIVE for span in spans)),
        (glyphs.skip, "drawn short", is_short),
        (glyphs.mark, "critical path", any(span.is_critical for span in spans)),
    ]
    return fold([Text(f"{sign} {meaning}", "dim") for sign, meaning, is_drawn in known if is_drawn], width, joint="   ")


def nexts(trace: Trace, lines: Sequence[Line], *, is_whole: bool) -> list[tuple[str, str]]:
    """Return what to do next: what for, and the command."""
    if not trace.jobs:
        return []
    job = next((each for each in trace.jobs if each.state in _FAILED), trace.jobs[0])
    name = words.short(job.id)
    found = list[tuple[str, str]]()
    if trace.is_live:
        found.append(("Follow", f"vedette jobs trace {_itself(trace)} --follow"))
    if job.state in _FAILED or job.state is JobState.RETRYING:
        found.append(("Why", f"vedette jobs explain {name}"))
    if trace.totals.errors:
        found.append(("Log", f"vedette jobs logs {name} --level warning"))
    if not is_whole and (count := hidden(trace, lines)):
        found.append((f"{words.plural(count, 'spans')} more", f"vedette jobs trace {_itself(trace)} --expand"))
    return found or [("Details", f"vedette jobs get {name}")]


def _itself(trace: Trace) -> str:
    """Return what the command is given for this trace: a job, where it is that of the job's last run."""
    is_last = not any(each.relation is Relation.LATER_RUN for each in trace.related)
    return words.short(trace.jobs[0].id) if len(trace.jobs) == 1 and is_last else words.line(trace.trace_id)


def _job(job: TracedJob, trace: Trace, glyphs: Glyphs) -> list[Text]:
    target = Text(words.fitting(words.line(f"{job.kind} {job.target}"), glyphs.signs))
    facts = [Text.assemble(("Job ", "dim"), (words.short(job.id), "bold")), target]
    facts.append(Text(job.state, words.STATE_STYLES.get(job.state, "")))
    if job.run > 1:
        facts.append(Text(f"run {job.run}", "dim"))
    if len(trace.jobs) == 1:
        facts.append(Text(f"{took(trace.duration_s)}{' so far' if trace.is_live else ''}", "bold"))
        facts.append(Text(f"trace {words.line(trace.trace_id)}", "dim"))
    return facts


def _other(related: RelatedTrace, trace: Trace) -> str:
    """Return the command that shows it; by its job, but where that has a later run, which would be shown instead."""
    is_run = any(job.id == related.job_id for job in trace.jobs)
    name = words.short(related.job_id) if related.job_id and not is_run else words.line(related.trace_id)
    return f"vedette jobs trace {name}"


def _unknown(trace: Trace) -> Iterator[str]:
    if not trace.is_recorded:
        yield "No spans were recorded: these are the steps alone. Settings: trace_keep_days, trace_sample_ratio"
    if trace.totals.dropped:
        yield f"{words.plural(trace.totals.dropped, 'spans')} were too many, and were not kept."
    if trace.is_cut:
        yield "There are more spans than are shown."


def _processes(count: int) -> str:
    return f"{count} process{'es' if count > 1 else ''}" if count else ""


def _percents(values: Sequence[float]) -> list[int]:
    """Return whole percents that add up to 100: the largest remainders are rounded up."""
    total = sum(values)
    if total <= 0:
        return [0] * len(values)
    exact = [100 * value / total for value in values]
    whole = [int(each) for each in exact]
    rest = sorted(range(len(values)), key=lambda place: whole[place] - exact[place])
    for place in rest[: 100 - sum(whole)]:
        whole[place] += 1
    return whole
