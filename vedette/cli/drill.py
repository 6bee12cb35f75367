"""`vedette drill`: hurt the local stack on purpose, and see that no job is lost and nothing is done twice."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

import typer

from vedette.cli import confirm, options, words
from vedette.cli.arguments import Stage
from vedette.cli.examples import examples
from vedette.cli.failure import Exit, Misused
from vedette.cli.group import group
from vedette.cli.session import Link, Session, command

if TYPE_CHECKING:
    from vedette.drill import Scorecard
    from vedette.drill.trial import Kind

app = group("drill", "Hurt the local stack on purpose, and see that nothing is lost.", "vedette drill kill-worker")
TIMEOUT = "5m"
Jobs = Annotated[int, typer.Option(min=2, max=500, help="How many.")]
Report = Annotated[
    Literal["table", "json"], typer.Option("--report", metavar="FORMAT", help="table, or json as -o json.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
TimeoutOf = Annotated[str, typer.Option(metavar="TIME", help="A job that is not over by then is lost.")]


@app.command(
    "kill-worker", epilog=examples("vedette drill kill-worker", "vedette drill kill-worker --jobs 40 --yes -o json")
)
@command
def kill_worker(
    session: Session,
    *,
    jobs: Jobs = 20,
    worker: Annotated[
        Stage | None, typer.Option(metavar="NAME", help="This one.", show_default="one that is at work")
    ] = None,
    report: Report = "table",
    timeout: TimeoutOf = TIMEOUT,
    yes: Yes = False,
) -> int:
    """Kill a worker of the local stack with SIGKILL while jobs run; see that all of them end, once."""
    return _drill(session, "kill-worker", jobs, worker=worker or "", report=report, timeout=timeout, is_sure=yes)


@app.command("drop-redis", epilog=examples("vedette drill drop-redis", "vedette drill drop-redis --jobs 40 --yes"))
@command
def drop_redis(
    session: Session, *, jobs: Jobs = 20, report: Report = "table", timeout: TimeoutOf = TIMEOUT, yes: Yes = False
) -> int:
    """Kill the local stack's Redis with SIGKILL while jobs run; see that all of them end, once."""
    return _drill(session, "drop-redis", jobs, report=report, timeout=timeout, is_sure=yes)


@app.command("slow-target", epilog=examples("vedette drill slow-target", "vedette drill slow-target --report json"))
@command
def slow_target(session: Session, *, jobs: Jobs = 20, report: Report = "table", timeout: TimeoutOf = TIMEOUT) -> int:
    """Scan a target that never answers beside quick ones; see that it ends, and that they do not wait for it."""
    return _drill(session, "slow-target", jobs, report=report, timeout=timeout, is_sure=True)


def _drill(
    session: Session, kind: Kind, jobs: int, *, worker: str = "", report: str, timeout: str, is_sure: bool
) -> int:
    timeout_s = options.duration(timeout)
    if report == "json":
        session.output = "json"
    _require_local(session)
    if kind != "slow-target":
        what = "its Redis" if kind == "drop-redis" else "one of its workers"
        confirm.yes(
            f"This kills {what} (of the local stack) with SIGKILL while jobs run. They are taken up again;"
            " other work of the stack waits meanwhile.",
            is_given=is_sure,
        )
    session.url = ""
    with session.gateway() as link:
        card = _carry_out(session, link, kind, jobs, worker=worker, timeout_s=timeout_s)
    if card is None:
        return Exit.INTERRUPTED
    _show(session, card)
    return Exit.OK if card.is_passed else Exit.FAILED


def _require_local(session: Session) -> None:
    """Refuse every gateway but that of the local stack, before anything is asked. Raises Misused."""
    if not session.url:
        return
    from vedette import stack  # noqa: PLC0415

    found = stack.connect()
    if found is None or not _is_same(session.url, found.url):
        raise Misused(
            f"A drill hurts the local stack alone, and {session.url[:80]} is not its gateway.",
            cure="Leave --url out and unset VEDETTE_URL",
        )


def _is_same(url: str, own: str) -> bool:
    given, ours = urlsplit(url), urlsplit(own)
    try:
        port = given.port
    except ValueError:
        return False
    return given.hostname in {"127.0.0.1", "localhost"} and port == ours.port


def _carry_out(
    session: Session, link: Link, kind: Kind, jobs: int, *, worker: str, timeout_s: float
) -> Scorecard | None:
    """Return the scorecard; None after Ctrl-C."""
    from vedette.cli import crowd  # noqa: PLC0415
    from vedette.drill import Trial  # noqa: PLC0415

    trial = Trial(link.client, kind, jobs, timeout_s, _is_notifying(), worker, session.note)
    try:
        with crowd.Crowd(session.console(stderr=True), is_quiet=session.quiet) as view:
            trial.watch = view.update
            return trial.run()
    except KeyboardInterrupt:
        session.note("Stopped the drill; the stack starts again what was killed.")
        if trial.batch_id and not link.is_own:
            batch = words.short(trial.batch_id)
            session.note(f"Its jobs go on; to cancel them: vedette jobs cancel --batch {batch} --yes")
        return None


def _is_notifying() -> bool:
    """Whether this shell has what a stack needs to notify a receiver on this machine."""
    from vedette.stack.children import is_given  # noqa: PLC0415

    return is_given("VEDETTE_WEBHOOK_SECRET") and is_given("VEDETTE_NOTIFY_PRIVATE_ADDRESSES")


def _show(session: Session, card: Scorecard) -> None:
    from vedette.cli import output  # noqa: PLC0415

    if not session.is_table:
        output.record(session, {**asdict(card), "twice": card.twice, "passed": card.is_passed})
        return
    from rich.text import Text  # noqa: PLC0415

    console = session.console()
    signs = words.marks(console.file)
    head = f"Drill {card.drill}: {words.plural(card.submitted, 'jobs')}{f', {card.harm}' if card.harm else ''}"
    console.print(Text(head, "bold"), soft_wrap=True)
    for label, value, is_good in _facts(card, signs):
        style = {True: "green", False: "bold red", None: ""}[is_good]
        console.print(Text.assemble((f"  {label:<12} ", "dim"), (words.line(value), style)), soft_wrap=True)
    for failure in card.failures[:10]:
        console.print(Text(f"  {words.line(failure)}", "red"), soft_wrap=True)
    sign, said, style = (signs.done, "Passed", "green") if card.is_passed else (signs.failed, "Failed", "red")
    console.print(Text.assemble((f"{sign} {said}", f"bold {style}"), f" in {words.seconds(card.total_s)}"))
    if not card.is_passed:
        session.note(f"  Its jobs  vedette jobs list --batch {words.short(card.batch_id)}")


def _facts(card: Scorecard, signs: words.Marks) -> list[tuple[str, str, bool | None]]:
    """Return label, text, and whether it is good (None: neither)."""
    told = "not counted" if card.twice_notifications is None else str(card.twice_notifications)
    parts = (f"findings {card.twice_findings}", f"reports {card.twice_reports}", f"notifications {told}")
    states = ", ".join(f"{count} {state}" for state, count in card.states.items())
    found: list[tuple[str, str, bool | None]] = [
        ("submitted", str(card.submitted), None),
        ("ended", f"{card.ended} ({states})", card.ended == card.submitted),
        ("lost", str(card.lost), not card.lost),
        ("twice", f"{card.twice} ({f' {signs.dot} '.join(parts)})", not card.twice),
        ("missing", str(card.missing), not card.missing),
        ("redelivered", words.plural(card.redelivered, "steps"), None),
    ]
    if card.recovery_s is not None:
        behind = f", behind {words.plural(card.behind, 'others')} that waited" if card.behind else ""
        found.append(("recovery", f"{words.seconds(card.recovery_s)}{behind}", None))
    times = (
        ("restart", card.restart_s),
        ("slowest job", card.slowest_job_s),
        ("tarpit", card.tarpit_s),
    )
    return found + [(label, words.seconds(value), None) for label, value in times if value is not None]
