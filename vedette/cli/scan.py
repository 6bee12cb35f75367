"""`vedette scan`: submit targets; wait for them where that was asked for, or where nothing would run them later."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from vedette.cli import options, words
from vedette.cli.examples import examples
from vedette.cli.failure import Exit, Misused
from vedette.cli.group import group
from vedette.cli.session import Session, command

if TYPE_CHECKING:
    from shared.contracts.kinds.host import Target
    from shared.contracts.submission import Options, Receipt
    from vedette.cli.waiting import Wish

app = group(
    "scan", "Scan something.", "vedette scan host 127.0.0.1 --wait", "vedette scan host --file targets.txt --report pdf"
)

Profile = Literal["quick", "standard", "comprehensive"]
Priority = Literal["urgent", "high", "normal", "low"]
Severity = Literal["critical", "high", "medium", "low", "info"]
FailOn = Annotated[
    Severity | None, typer.Option(metavar="SEVERITY", help="Exit 3 when there is a finding of this severity or above.")
]
OutputDir = Annotated[Path, typer.Option(metavar="DIR", help="Folder for the reports.", show_default="here")]
Timeout = Annotated[str | None, typer.Option(metavar="TIME", help="Wait no longer, e.g. 90s or 10m; exit 7.")]


@dataclass(frozen=True)
class Plan:
    """What is to be submitted."""

    targets: list[Target]
    options: Options
    key: str = ""

    @property
    def hosts(self) -> list[str]:
        return [single.host for target in self.targets for single in target.expand()]


@app.command(
    "host",
    epilog=examples(
        "vedette scan host 127.0.0.1 --report pdf,json --wait",
        "vedette scan host db.example.org --ports 1-1024,5432 --fail-on high",
        "vedette scan host 10.0.0.0/28 192.168.1.10-20 --profile quick --tag team=nas",
        "cat hosts.txt | vedette scan host --file - -o jsonl",
        "vedette scan host 127.0.0.1 --at 2026-12-31T02:00 --deadline 1h",
        "vedette scan host 127.0.0.1 --notify a@b.example --notify https://c.example",
    ),
)
@command
def host(
    session: Session,
    *,
    target: Annotated[
        list[str] | None, typer.Argument(help="Address, name, network (its usable hosts) or range.")
    ] = None,
    ports: Annotated[str | None, typer.Option(metavar="EXPR", help="Ports, e.g. 22,80,1-1000 or - for all.")] = None,
    port_groups: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Of critical,high,medium,low; scanned in that order.")
    ] = None,
    profile: Annotated[Profile, typer.Option(help="How thorough; decides the ports if you do not.")] = "standard",
    priority: Annotated[Priority, typer.Option(help="How soon.")] = "normal",
    report: Annotated[
        list[str] | None,
        typer.Option(metavar="NAMES", help="Of pdf,html,json,csv; or none.", show_default="html,json"),
    ] = None,
    notify: Annotated[list[str] | None, typer.Option(metavar="URL|MAIL", help="Tell of the end; repeatable.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="K=V", help="Label of the job; repeatable.")] = None,
    at: Annotated[str | None, typer.Option(metavar="ISO", help="Begin then, e.g. 2026-12-31T02:00.")] = None,
    delay: Annotated[str | None, typer.Option(metavar="TIME", help="Begin after that long, e.g. 10m.")] = None,
    deadline: Annotated[
        str | None, typer.Option(metavar="TIME", help="Give a job up that is not done so long after its beginning.")
    ] = None,
    file: Annotated[str | None, typer.Option(metavar="FILE", help="Targets, one a line; - is stdin.")] = None,
    idempotency_key: Annotated[
        str, typer.Option(metavar="KEY", help="The same submission with the same key is made once.", show_default=False)
    ] = "",
    wait: Annotated[
        bool | None, typer.Option("--wait/--no-wait", "--follow", help="Wait for the end and download the reports.")
    ] = None,
    timeout: Timeout = None,
    output_dir: OutputDir = Path(),
    fail_on: FailOn = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be submitted, and stop.")] = False,
) -> int:
    """Scan hosts: open ports, services, TLS, and what is weak about them.

    Without --wait the job is submitted and goes on by itself. When no stack runs, one is started for this command,
    and the command waits.

    --notify needs settings of the stack, exported before `vedette up`: VEDETTE_WEBHOOK_SECRET for webhooks,
    VEDETTE_SMTP_URL for mail, VEDETTE_NOTIFY_PRIVATE_ADDRESSES=true for receivers on private addresses.

    A network stands for its usable hosts: without its first and last address, if it is IPv4 and larger than a /31.
    """
    plan = Plan(
        options.hosts(target or [], file, ports, port_groups),
        options.submission(
            *(profile, priority, report or ["html,json"], notify or [], tag or []),
            when=options.times(at, delay, deadline),
        ),
        options.key(idempotency_key),
    )
    timeout_s = options.duration(timeout) if timeout else None
    if dry_run:
        return _dry_run(session, plan)
    from vedette.cli import waiting  # noqa: PLC0415

    wish = waiting.Wish(timeout_s, output_dir, fail_on)
    _warn(session, plan.options.notify)
    return _submit(session, plan, wish, _waits(session, wait, wish))


def _waits(session: Session, asked: bool | None, wish: Wish) -> bool:
    """Say whether to wait, and refuse what cannot work, before anything is started."""
    from vedette.cli import downloads  # noqa: PLC0415

    has_stack = bool(session.url) or _is_running()
    if asked is False and not has_stack:
        raise Misused("No stack runs, so nothing would scan after this command.", cure="vedette up --detach")
    is_waiting = bool(asked) or not has_stack
    if not is_waiting and (wish.fail_on or wish.timeout_s):
        is_waiting = True  # both say what to do at the end, so somebody wants to be there
    if is_waiting and wish.folder is not None:
        downloads.check_folder(wish.folder)
    return is_waiting


def _warn(session: Session, notify: list[str]) -> None:
    """Say before the scan which settings of the local stack the notifications need and this shell does not have."""
    if session.url:
        return
    from vedette.stack.children import is_given  # noqa: PLC0415

    for scheme, name in (("http", "VEDETTE_WEBHOOK_SECRET"), ("mailto", "VEDETTE_SMTP_URL")):
        if not is_given(name) and any(url.startswith(scheme) for url in notify):
            session.note(f"warning: {name} is not set here; a stack that was started without it tells nobody this way")


def _is_running() -> bool:
    from vedette import stack  # noqa: PLC0415

    return stack.connect() is not None


def _submit(session: Session, plan: Plan, wish: Wish, is_waiting: bool) -> int:
    from vedette.cli import recall, waiting  # noqa: PLC0415

    with session.gateway() as link:
        receipt = link.client.submit(plan.targets, plan.options, plan.key)
        recall.remember(receipt.jobs[0].id)
        if is_waiting:
            return waiting.wait(session, link, receipt.jobs, wish, receipt.batch_id)
        return _submitted(session, receipt)


def _submitted(session: Session, receipt: Receipt) -> int:
    from vedette.cli import output  # noqa: PLC0415

    output.records(session, receipt.jobs, ("id", "kind", "target", "state", "priority"), empty="")
    if session.output == "table":
        batch = f"--batch {words.short(receipt.batch_id)}" if receipt.batch_id else ""
        session.note(f"Watch   vedette jobs watch {batch or words.short(receipt.jobs[0].id)}")
        session.note(f"List    vedette jobs list {batch}".rstrip())
    return Exit.OK


def _dry_run(session: Session, plan: Plan) -> int:
    from vedette.cli import output  # noqa: PLC0415

    body = {
        "targets": [target.model_dump(mode="json") for target in plan.targets],
        **plan.options.model_dump(mode="json"),
    }
    if session.output != "table":
        output.record(session, body)
        return Exit.OK
    _show(plan)
    return _judge(session, plan)


def _judge(session: Session, plan: Plan) -> int:
    """Ask the gateway whether it would take the targets, where one runs: none is started for a dry run."""
    from vedette.cli import targets  # noqa: PLC0415
    from vedette.refusals import Unreachable  # noqa: PLC0415

    found, unasked = None, "No stack runs."
    if session.url or _is_running():
        try:
            with session.gateway() as link:
                found = link.client.targets.check(plan.targets)
        except Unreachable as exc:
            unasked = exc.message
    if found is None:
        session.note(f"{unasked} So nobody was asked whether these may be scanned.")
        return Exit.OK
    targets.show(found)
    return targets.outcome(found)


def _show(plan: Plan) -> None:
    hosts = plan.hosts
    first = plan.targets[0]
    count = len(first.port_list(plan.options.profile))
    shown = ", ".join(hosts[:5]) + (f" and {len(hosts) - 5} more" if len(hosts) > 5 else "")
    print(f"Would submit {words.plural(len(hosts), 'jobs')}: {words.line(shown)}")
    if any("/" in target.host for target in plan.targets):
        print("  networks  usable hosts alone: without the addresses of the network itself and of broadcast")
    print(f"  ports     {count} ({plan.options.profile}{', given' if first.ports or first.port_groups else ''})")
    print(f"  priority  {plan.options.priority}")
    print(f"  reports   {', '.join(plan.options.reports) or 'none'}")
    for label, values in (
        ("notify", plan.options.notify),
        ("tags", [f"{k}={v}" for k, v in plan.options.tags.items()]),
        ("begins", [plan.options.not_before.isoformat(" ", "minutes")] if plan.options.not_before else []),
        ("deadline", [f"{plan.options.deadline_s} s after that"] if plan.options.deadline_s else []),
    ):
        if values:
            print(f"  {label:<9} {words.line(', '.join(values))}")
