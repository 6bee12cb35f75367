"""Every contract survives its way through JSON, and refuses fields that it does not know."""

from __future__ import annotations

import inspect
import pkgutil
from datetime import UTC, datetime
from importlib import import_module
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from pydantic import AwareDatetime, ValidationError

import shared.contracts
from shared.contracts.access import (
    KeyNew,
    Login,
    MemberNew,
    OrgChange,
    OrgNew,
    PasswordChange,
    Refresh,
    Switch,
    UserNew,
)
from shared.contracts.dead_letter import BulkReplay, Replay, Selection
from shared.contracts.envelope import Envelope
from shared.contracts.identity import Role
from shared.contracts.invitation import Acceptance, InvitationNew
from shared.contracts.job import Contract as Parent
from shared.contracts.job import JobState, StageName, Written
from shared.contracts.observation import MAX_EVIDENCE, Evidence
from shared.contracts.operation import BulkCancel
from shared.contracts.policy import PolicyChange
from shared.contracts.scan_rule import Effect, NewScanRule, TargetCheck
from shared.contracts.submission import Options
from shared.contracts.triage import NewRule
from shared.contracts.weakness import BulkTriage, FindingStatus
from shared.errors import FailureClass


def every_contract() -> list[type[Parent]]:
    for info in pkgutil.walk_packages(shared.contracts.__path__, "shared.contracts."):
        import_module(info.name)
    whole = (one for one in below(Parent) if not inspect.isabstract(one))  # the others are made by their children
    return sorted((one for one in whole if one.__module__.startswith("shared.")), key=str)


def below(cls: type[Parent]) -> set[type[Parent]]:
    return {deep for each in cls.__subclasses__() for deep in (each, *below(each))}


PLAIN = some.text(alphabet=some.characters(codec="utf-8"), max_size=10)
JSON = some.dictionaries(PLAIN, some.none() | some.booleans() | some.integers() | PLAIN | some.lists(PLAIN), max_size=3)
SOME = some.lists(PLAIN, min_size=1, max_size=2)
SHARE = some.floats(min_value=0, max_value=1)
WORDS = some.sampled_from(["acme", "a-1"])  # what people write has a form
SLUG, EMAIL = some.sampled_from(["acme", "a-1"]), some.sampled_from(["a@example.org", "b@example.org"])
BULK = {"how": some.builds(Replay), "rate": SHARE, "stop_at": SHARE}
WITH_RULES: dict[type[Parent], some.SearchStrategy[Parent]] = {
    Selection: some.builds(Selection, ids=SOME) | some.builds(Selection, q=PLAIN),
    BulkReplay: some.deferred(lambda: some.builds(BulkReplay, selection=models(Selection), **BULK)),
    BulkTriage: some.builds(BulkTriage, ids=SOME, status=some.sampled_from(FindingStatus)),
    BulkCancel: some.builds(BulkCancel, ids=SOME) | some.builds(BulkCancel, q=PLAIN),
    NewRule: some.builds(NewRule, code=some.just("x"), contains=PLAIN, failure_class=some.sampled_from(FailureClass)),
    NewScanRule: some.builds(
        NewScanRule, effect=some.sampled_from(Effect), what=some.just("10.0.0.0/8"), reason=some.just("why")
    ),
    TargetCheck: some.builds(TargetCheck, targets=SOME),
    KeyNew: some.builds(KeyNew, name=some.just("ci"), role=some.sampled_from(Role), days=some.integers(1, 90)),
    InvitationNew: some.builds(InvitationNew, email=EMAIL, role=some.sampled_from(Role), days=some.integers(1, 30)),
    MemberNew: some.builds(MemberNew, email=EMAIL, role=some.sampled_from(Role)),
    OrgNew: some.builds(OrgNew, id=SLUG, name=some.just("Acme")),
    OrgChange: some.builds(OrgChange, name=some.just("Acme"), suspended=some.booleans()),
    Switch: some.builds(Switch, org=SLUG),
    PolicyChange: some.builds(PolicyChange, retries=some.integers(0, 100), base_s=SHARE, cap_s=SHARE),
}
PLAIN_TYPES: dict[Any, some.SearchStrategy[Any]] = {
    int: some.integers(min_value=1, max_value=100),
    float: some.floats(min_value=0, max_value=1e6),
    datetime: some.datetimes(timezones=some.just(UTC)),
    AwareDatetime: some.datetimes(datetime(2000, 1, 1), datetime(2199, 1, 1), timezones=some.just(UTC)),  # noqa: DTZ001
}
HAND_MADE = {"Target", "Options", "Receipt"}  # their texts have a grammar; they are tested where it is
SECRET = {
    "Acceptance",
    "Login",
    "Refresh",
    "PasswordChange",
    "UserNew",
}  # their secrets do not survive, which is what they are for


def models(cls: type[Parent]) -> some.SearchStrategy[Parent]:
    if cls in WITH_RULES:
        return WITH_RULES[cls]
    text = WORDS if issubclass(cls, Written) else PLAIN
    return some.builds(cls, **{name: values(field.annotation, text) for name, field in cls.model_fields.items()})


def _is_contract(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Parent)


def values(annotation: Any, text: some.SearchStrategy[str]) -> some.SearchStrategy[Any]:
    """Values of a field's type, small enough that the largest document is made in milliseconds."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return values(inner[0], text)
    if origin is list:
        return some.lists(values(inner[0], text), max_size=2)
    if origin is dict:
        return (
            JSON if inner[1] is Any else some.dictionaries(values(inner[0], text), values(inner[1], text), max_size=2)
        )
    if origin in {Union, UnionType}:
        return some.one_of(*(values(each, text) for each in inner))
    if annotation in PLAIN_TYPES or annotation is str:
        return PLAIN_TYPES.get(annotation, text)
    return models(annotation) if _is_contract(annotation) else some.from_type(annotation)


@pytest.mark.parametrize("cls", [cls for cls in every_contract() if cls.__name__ not in HAND_MADE | SECRET], ids=str)
@given(data=some.data())
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
def test_a_contract_survives_json(cls: type[Parent], data: some.DataObject) -> None:
    made = data.draw(models(cls))
    assert cls.model_validate_json(made.model_dump_json()) == made
    assert cls.model_validate(made.model_dump(mode="json")) == made


@pytest.mark.parametrize("cls", every_contract(), ids=str)
def test_what_people_write_refuses_unknown_fields_and_nothing_else_does(cls: type[Parent]) -> None:
    assert cls.model_config["extra"] == ("forbid" if issubclass(cls, Written) else "ignore")
    assert cls.model_config["frozen"]


@pytest.mark.parametrize(
    ("cls", "fields"),
    [
        (Login, {"email": "a@example.org", "password": "canary"}),
        (Refresh, {"refresh_token": "canary"}),
        (PasswordChange, {"current": "canary", "new": "canary canary canary"}),
        (Acceptance, {"token": "canary", "password": "canary canary canary"}),
        (UserNew, {"email": "a@example.org", "password": "canary canary canary"}),
    ],
)
def test_a_secret_is_in_no_text_of_what_people_write(cls: type[Parent], fields: dict[str, str]) -> None:
    made = cls.model_validate(fields)
    assert "canary" not in f"{made!r} {made} {made.model_dump_json()}"


def test_a_message_of_a_newer_version_is_understood() -> None:
    envelope = Envelope(job_id="j", org_id="o", kind="host", lane="scan")
    assert Envelope.model_validate({**envelope.model_dump(), "replay_of": "x"}) == envelope


@pytest.mark.parametrize(
    "options",
    [
        {"reports": ["../etc"]},
        {"reports": ["a"] * 21},
        {"notify": ["x" * 2001]},
        {"notify": ["mailto:a b"]},
        {"notify": ["https://a\x00"]},
        {"notify": ["https://\ud800"]},
        {"tags": {"a": ""}},
        {"tags": {"a": "x\ny"}},
        {"tags": {"a\x00": "x"}},
        {"tags": {str(n): "x" for n in range(21)}},
        {"reports": ["a\n"]},
        {"tags": {"a": "x\n"}},
        {"notify": ["https://a\n"]},
    ],
)
def test_options_have_limits(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Options.model_validate(options)


def test_the_stages_are_in_their_order_and_the_ends_are_known() -> None:
    assert list(StageName) == ["scan", "process", "report", "notify"]
    assert {state for state in JobState if state.is_terminal} == {"cancelled", "succeeded", "partial", "failed", "dead"}


def test_evidence_is_bounded() -> None:
    assert Evidence(source="banner", text="x" * MAX_EVIDENCE)
    with pytest.raises(ValidationError):
        Evidence(source="banner", text="x" * (MAX_EVIDENCE + 1))
