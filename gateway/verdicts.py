"""What would become of targets if they were submitted now: every name is resolved, every address judged."""

from __future__ import annotations

from collections.abc import Sequence

from gateway import names
from gateway.submission import MAX_JOBS, TooManyJobs, expanded
from shared import policy
from shared.contracts.scan_rule import AddressVerdict, TargetVerdict
from shared.contracts.target import TargetModel
from shared.errors import InvalidInput, VedetteError
from shared.policy import Judged, Reach
from shared.resolver import ResolverAway

MAX_LABEL = 80  # characters repeated of what is no target


def verdicts(org_id: str, targets: Sequence[object], within: Reach) -> list[TargetVerdict]:
    """Return one verdict per single target, in order. within: what the organisation may scan.

    Raises TooManyJobs, NamesBusy.
    """
    asked: list[TargetModel | TargetVerdict] = []
    for data in targets:
        try:
            asked += expanded(data)
        except InvalidInput as exc:
            asked.append(_refused(_label(data), exc))
        if len(asked) > MAX_JOBS:
            raise TooManyJobs(f"These are more than {MAX_JOBS} single targets.", cure="Ask several times.")
    singles = {each.key: each for each in asked if isinstance(each, TargetModel)}
    done = names.of_each(org_id, singles, lambda key: _verdict(singles[key], within))
    return [each if isinstance(each, TargetVerdict) else done.get(each.key) or _late(each) for each in asked]


def _verdict(target: TargetModel, within: Reach) -> TargetVerdict:
    try:
        found = policy.judged(target, within)
    except VedetteError as exc:
        return _refused(target.label, exc)
    addresses = [_address(each) for each in found]
    if refusal := next((each.refusal for each in found if each.refusal), None):
        error = refusal.error()
        return _refused(target.label, error).model_copy(update={"addresses": addresses, "rule": refusal.rule})
    return TargetVerdict(target=target.label, allowed=True, addresses=addresses)


def _address(each: Judged) -> AddressVerdict:
    rule, why = (each.refusal.rule, each.refusal.why) if each.refusal else ("", "")
    return AddressVerdict(
        address=each.address,
        allowed=each.refusal is None,
        rule=rule,
        detail=why,
        not_scanned=sorted(each.own_ports),
    )


def _refused(label: str, exc: VedetteError) -> TargetVerdict:
    return TargetVerdict(target=label, allowed=False, code=exc.code, detail=exc.message, cure=exc.cure)


def _late(target: TargetModel) -> TargetVerdict:
    return _refused(target.label, ResolverAway(f"{target.label} was not resolved in {names.ALL_TIMEOUT_S:g} s."))


def _label(data: object) -> str:
    host = data.get("host") if isinstance(data, dict) else data
    return str(host)[:MAX_LABEL]
