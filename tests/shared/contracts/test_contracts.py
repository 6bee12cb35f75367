"""Every contract survives its way through JSON, and refuses fields that it does not know."""

from __future__ import annotations

import pkgutil
from datetime import UTC, datetime
from importlib import import_module
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from pydantic import ValidationError

import shared.contracts
from shared.contracts.envelope import Envelope
from shared.contracts.job import Contract as Parent
from shared.contracts.job import JobState, StageName
from shared.contracts.observation import MAX_EVIDENCE, Evidence
from shared.contracts.submission import Options
from shared.contracts.target import TargetModel


def every_contract() -> list[type[Parent]]:
    for info in pkgutil.walk_packages(shared.contracts.__path__, "shared.contracts."):
        import_module(info.name)
    found = {deep for each in Parent.__subclasses__() for deep in (each, *each.__subclasses__())}
    return sorted((one for one in found if one.__module__.startswith("shared.")), key=str)


PLAIN = some.text(alphabet=some.characters(codec="utf-8"), max_size=10)
JSON = some.dictionaries(PLAIN, some.none() | some.booleans() | some.integers() | PLAIN | some.lists(PLAIN), max_size=3)
PLAIN_TYPES: dict[Any, some.SearchStrategy[Any]] = {
    str: PLAIN,
    int: some.integers(min_value=1, max_value=100),
    float: some.floats(min_value=0, max_value=1e6),
    datetime: some.datetimes(timezones=some.just(UTC)),
}
HAND_MADE = {"Target", "Options", "Receipt"}  # their texts have a grammar; they are tested where it is


def models(cls: type[Parent]) -> some.SearchStrategy[Parent]:
    return some.builds(cls, **{name: values(field.annotation) for name, field in cls.model_fields.items()})


def values(annotation: Any) -> some.SearchStrategy[Any]:
    """Values of a field's type, small enough that the largest document is made in milliseconds."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is list:
        return some.lists(values(inner[0]), max_size=2)
    if origin is dict:
        return JSON if inner[1] is Any else some.dictionaries(PLAIN, values(inner[1]), max_size=2)
    if origin in {Union, UnionType}:
        return some.one_of(*(values(each) for each in inner))
    if isinstance(annotation, type) and issubclass(annotation, Parent):
        return models(annotation)
    return PLAIN_TYPES[annotation] if annotation in PLAIN_TYPES else some.from_type(annotation)


@pytest.mark.parametrize("cls", [cls for cls in every_contract() if cls.__name__ not in HAND_MADE], ids=str)
@given(data=some.data())
@settings(max_examples=8, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
def test_a_contract_survives_json(cls: type[Parent], data: some.DataObject) -> None:
    made = data.draw(models(cls))
    assert cls.model_validate_json(made.model_dump_json()) == made
    assert cls.model_validate(made.model_dump(mode="json")) == made


@pytest.mark.parametrize("cls", every_contract(), ids=str)
def test_what_people_write_refuses_unknown_fields_and_nothing_else_does(cls: type[Parent]) -> None:
    is_written_by_people = issubclass(cls, (TargetModel, Options))
    assert cls.model_config["extra"] == ("forbid" if is_written_by_people else "ignore")
    assert cls.model_config["frozen"]


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
