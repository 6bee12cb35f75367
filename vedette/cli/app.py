"""The root of the command line: which command lives in which file."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import typer

from vedette.cli import (
    alerts,
    api,
    audit,
    batches,
    dlq,
    drill,
    events,
    findings,
    jobs,
    keys,
    login,
    operations,
    orgs,
    queues,
    reports,
    scan,
    stack,
    stats,
    targets,
    users,
    workers,
)
from vedette.cli.examples import examples
from vedette.cli.session import Options, keep

app = typer.Typer(
    name="vedette",
    help="Name a host: Vedette scans it, judges it, writes the report and tells whoever must know.",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich takes 0.4 s to import, and help must be there at once
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    epilog=examples(
        "vedette scan host 127.0.0.1 --report pdf,json",
        "vedette up --detach",
        "vedette jobs list",
        "vedette jobs findings @last",
        "vedette jobs explain @last",
        "vedette dlq list --group",
    ),
)
app.add_typer(scan.app, name="scan")
app.add_typer(jobs.app, name="jobs")
app.add_typer(batches.app, name="batch")
app.add_typer(findings.app, name="findings")
app.add_typer(reports.app, name="report")
app.add_typer(targets.app, name="targets")
app.add_typer(dlq.app, name="dlq")
app.add_typer(operations.app, name="operations")
app.add_typer(alerts.app, name="alerts")
app.add_typer(queues.app, name="queues")
app.add_typer(workers.app, name="workers")
app.add_typer(orgs.app, name="orgs")
app.add_typer(users.app, name="users")
app.add_typer(keys.app, name="keys")
app.add_typer(audit.app, name="audit")
app.add_typer(drill.app, name="drill")
events.add_to(app)
stats.add_to(app)
stack.add_to(app)
login.add_to(app)
api.add_to(app)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version  # noqa: PLC0415

        print(f"vedette {version('vedette')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    *,
    url: Options.Url = None,
    token: Options.Token = None,
    place: Options.Context = None,
    acting: Options.Org = None,
    output: Options.Output = None,
    fields: Options.Fields = None,
    quiet: Options.Quiet = False,
    no_color: Options.NoColor = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version
    given: dict[str, Any] = {
        "url": url,
        "token": token,
        "place": place,
        "acting": acting,
        "output": output,
        "fields": fields,
        "quiet": quiet,
        "no_color": no_color,
    }
    keep(context, given)


@cache
def command_line() -> Any:  # noqa: ANN401  typer names its commands in private only
    """Return the whole command line as it is run; to build it takes longer than most commands."""
    return typer.main.get_command(app)
