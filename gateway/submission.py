"""The body of `POST /jobs`, and what it must satisfy before a job is written: targets, names, formats, channels."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, WithJsonSchema, model_validator

from gateway import names, openapi
from gateway.problems import MAX_ERRORS, InvalidRequest
from shared import policy, registry, resolver
from shared.contracts.batch import MAX_ENTRIES
from shared.contracts.problems import FieldError
from shared.contracts.submission import MAX_TARGETS, Options
from shared.contracts.target import TargetModel
from shared.errors import Infrastructure, InvalidInput, Permanent
from shared.policy import Reach, TargetRefused
from shared.redaction import shown
from shared.store import plugins
from shared.store.engine import Connection
from shared.text import plural

MAX_JOBS = 4096  # single targets of one submission, networks counted by their hosts
MAX_TARGET_BYTES = 8192  # of one target as JSON; it is kept with every job that it stands for


class TooManyJobs(Permanent):
    """A submission stands for more single targets than one request may make."""


class TargetsRefused(TargetRefused):
    """Some targets may not be scanned; they and what else is wrong are named in `errors`.

    refused: of each that policy refuses, the rule and its label.
    """

    def __init__(
        self, message: str, errors: Sequence[FieldError], *, cure: str = "", refused: Sequence[tuple[str, str]] = ()
    ) -> None:
        super().__init__(message, cure=cure)
        self.errors = list(errors)[:MAX_ERRORS]
        self.refused = list(refused)

    @property
    def code(self) -> str:
        return "target-refused"


class NoReportWorker(Infrastructure):
    """No worker that writes reports ever started, so nobody knows which formats there are."""


class NoNotifyWorker(Infrastructure):
    """No worker that notifies ever started, so nobody knows which channels there are."""


_Wrong = tuple[str, InvalidInput | TargetRefused, str]  # the pointer of a target, why it cannot be scanned, its label

# Plain data here; `registry.target` checks it by its kind. `openapi` describes it as the union of all kinds.
AnyTarget = Annotated[Any, WithJsonSchema({"$ref": openapi.ref("Target")})]


class Asked(Options):
    """What every submission has beside its targets, which its `entries` return with their pointers in the body."""

    def options(self) -> Options:
        """Return the options alone, without repetitions."""
        chosen = {name: getattr(self, name) for name in Options.model_fields}
        return Options(**{name: _once(value) if isinstance(value, list) else value for name, value in chosen.items()})


class BatchSubmission(Asked):
    """Many targets under one name."""

    name: str = Field(default="", max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
    targets: list[AnyTarget] = Field(min_length=1, max_length=MAX_ENTRIES)

    def entries(self) -> list[tuple[str, Any]]:
        return [(f"/targets/{place}", data) for place, data in enumerate(self.targets)]


class Submission(Asked):
    """One target or several, and what holds for each of them."""

    target: AnyTarget | None = Field(default=None, description="The only target. Give this or `targets`.")
    targets: list[AnyTarget] | None = Field(default=None, min_length=1, max_length=MAX_TARGETS)

    @model_validator(mode="after")
    def _one_way(self) -> Submission:
        if (self.target is None) == (self.targets is None):
            raise ValueError("give either `target` or `targets`")
        return self

    def entries(self) -> list[tuple[str, Any]]:
        if self.targets is None:
            return [("/target", self.target)]
        return [(f"/targets/{place}", data) for place, data in enumerate(self.targets)]


def admit(org_id: str, entries: Sequence[tuple[str, Any]], within: Reach, most: int = MAX_JOBS) -> list[TargetModel]:
    """Return the single targets of the entries of a submission, all allowed. within: what the organisation may scan.

    Raises InvalidRequest or TargetsRefused, each naming the targets by pointer; TooManyJobs; ResolverAway, NamesBusy.
    """
    singles: list[tuple[str, TargetModel]] = []
    wrong: list[_Wrong] = []
    for where, data in entries:
        try:
            singles += [(where, single) for single in expanded(data)]
        except InvalidInput as exc:
            wrong.append((where, exc, ""))
        if len(singles) > most:
            raise TooManyJobs(
                f"The targets up to {where} are more than {most} single ones.", cure="Send several submissions."
            )
    if wrong or (wrong := _unscannable(org_id, singles, within)):
        raise _refused(wrong, len(entries))
    return [single for _, single in singles]


def check_plugins(connection: Connection, options: Options) -> None:
    """Refuse formats and channels that no worker has. Raises InvalidRequest, NoReportWorker, NoNotifyWorker."""
    wrong: list[FieldError] = []
    if options.reports:
        wrong += _unknown("/reports", options.reports, options.reports, _formats(connection))
    if options.notify:
        channels = plugins.known(connection, "channels")
        if not channels:
            raise NoNotifyWorker("No notify worker has started yet, so no channel is known.", cure=_START)
        schemes = [_scheme(url) for url in options.notify]
        wrong += _unknown("/notify", [shown(url) for url in options.notify], schemes, channels)
    if wrong:
        raise InvalidRequest(wrong[0].detail, wrong)


def check_format(connection: Connection, form: str) -> None:
    """Refuse a format that no worker has. Raises InvalidRequest, NoReportWorker."""
    if wrong := _unknown("", [form], [form], _formats(connection)):
        raise InvalidRequest(wrong[0].detail, [FieldError(pointer="/format", detail=wrong[0].detail)])


def _formats(connection: Connection) -> list[str]:
    if formats := plugins.known(connection, "formats"):
        return formats
    raise NoReportWorker("No report worker has started yet, so no format is known.", cure=_START)


_START = "Start one: vedette up"


def expanded(data: object) -> list[TargetModel]:
    """Return the single targets that one entry of a request stands for. Raises InvalidInput."""
    if len(json.dumps(data, ensure_ascii=False)) > MAX_TARGET_BYTES:  # before anything of it is read: that takes time
        raise _too_large()
    target = registry.target(data)
    if len(target.model_dump_json().encode()) > MAX_TARGET_BYTES:
        raise _too_large()
    if singles := target.expand():
        return singles
    raise InvalidInput(f"The target {target.label[:80]} stands for nothing that could be scanned.")


def _too_large() -> InvalidInput:
    return InvalidInput(
        f"The target is larger than {MAX_TARGET_BYTES} bytes.", cure="Write ranges for ports, or several targets."
    )


def _refused(wrong: Sequence[_Wrong], asked: int) -> InvalidRequest | TargetsRefused:
    """Return the error that names all of `wrong`: where policy refuses one of them, it refuses the submission."""
    first = next((exc for _, exc, _ in wrong if isinstance(exc, TargetRefused)), wrong[0][1])
    errors = [
        FieldError(pointer=where + (exc.pointer if isinstance(exc, InvalidInput) else ""), detail=exc.message)
        for where, exc, _ in wrong
    ]
    count = len({where for where, *_ in wrong})
    said = f"{count} of {asked} targets cannot be scanned, so nothing was submitted: " if asked > 1 else ""
    if not isinstance(first, TargetRefused):
        return InvalidRequest(f"{said}{first.message}", errors, cure=first.cure)
    refused = [(exc.rule, label) for _, exc, label in wrong if isinstance(exc, TargetRefused)]
    return TargetsRefused(f"{said}{first.message}", errors, cure=first.cure, refused=refused)


def _unscannable(org_id: str, singles: Sequence[tuple[str, TargetModel]], within: Reach) -> list[_Wrong]:
    """Judge each target once, at the first place where it stands."""
    asked = {single.key: (where, single) for where, single in reversed(singles)}
    targets = {key: single for key, (_, single) in reversed(asked.items())}
    found = names.of_each(org_id, targets, lambda key: _refusal(*asked[key], within))
    if late := len(targets) - len(found):
        raise resolver.ResolverAway(
            f"{plural(late, 'name')} could not be resolved in {names.ALL_TIMEOUT_S:g} s.",
            cure="Send fewer names at once, or addresses.",
        )
    return [error for key in targets if (error := found[key])]


def _refusal(where: str, single: TargetModel, within: Reach) -> _Wrong | None:
    try:
        policy.check(single, within)
    except (InvalidInput, TargetRefused) as exc:
        return where, exc, single.label
    return None


def _unknown(pointer: str, told: Sequence[str], given: Sequence[str], known: Sequence[str]) -> list[FieldError]:
    return [
        FieldError(pointer=f"{pointer}/{place}", detail=f"{told[place]!r} is unknown. There is: {', '.join(known)}.")
        for place, name in enumerate(given)
        if name not in known
    ]


def _scheme(url: str) -> str:
    try:
        return urlsplit(url).scheme
    except ValueError:
        return ""


def _once(values: list[Any]) -> list[Any]:
    return list(dict.fromkeys(values))
