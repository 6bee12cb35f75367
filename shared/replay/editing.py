"""Changes to a job that is replayed: checked like a submission, and done from the first stage that they touch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from shared import registry
from shared.admission import lane
from shared.contracts.job import StageName
from shared.contracts.submission import Options
from shared.errors import InvalidInput
from shared.replay.refusal import Refused
from shared.store.replaying import Edit

# Options, and the first stage that reads them; None is read by all of them.
_READ_BY: dict[str, StageName | None] = {
    "profile": StageName.SCAN,
    "reports": StageName.REPORT,
    "notify": StageName.NOTIFY,
    "priority": None,
    "tags": None,
    "deadline_s": None,
}


def edit(asked: Mapping[str, Any], changes: Mapping[str, Any]) -> tuple[Edit, StageName | None]:
    """Return what `changes` make of what was asked of a job, and the first stage that must be done again for it.

    Names of options change options, all others the target. Raises Refused.
    """
    if not changes:
        raise Refused("changes-invalid", "Say what is to be changed, as `ports=1-100`.")
    if "not_before" in changes or "kind" in changes:
        raise Refused("changes-invalid", "`kind` and `not_before` cannot be changed; submit a new job.")
    of_options = {name: value for name, value in changes.items() if name in Options.model_fields}
    of_target = {name: value for name, value in changes.items() if name not in Options.model_fields}
    try:
        target = registry.target({**asked["target"], **of_target})
        options = Options.model_validate({**asked["options"], **of_options})
        if len(target.expand()) != 1:
            raise Refused("changes-invalid", "One job has one single target.")
    except InvalidInput as exc:
        raise Refused("changes-invalid", exc.message) from exc
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Refused("changes-invalid", f"{place}: {first['msg']}.") from exc
    touched = [StageName.SCAN] if of_target else []
    touched += [stage for name in of_options if (stage := _READ_BY[name])]
    first_stage = min(touched, key=list(StageName).index, default=None)
    return Edit(target, options, lane(options), of_options.get("deadline_s")), first_stage
