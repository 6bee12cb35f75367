"""Plugins are files; targets are checked by the model of their kind, and nothing else gets in."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared import registry
from shared.contracts.kinds import host
from shared.errors import InvalidInput, NotFound, Permanent

JSON = some.recursive(
    some.none() | some.booleans() | some.floats() | some.text(max_size=8),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
KEYS = some.sampled_from(["kind", "host", "ports", "port_groups", "a/b~c", "\ud800", ""])


@given(data=JSON | some.dictionaries(KEYS, JSON | some.just("host"), max_size=4))
def test_any_data_is_a_target_or_invalid_input(data: object) -> None:
    try:
        registry.target(data)
    except InvalidInput as exc:
        assert exc.pointer.isprintable()  # noqa: PT017  a property of every refusal


def test_the_model_of_the_kind_checks_the_target() -> None:
    assert registry.target({"kind": "host", "host": "a.example"}) == host.Target(host="a.example")


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        (None, "/kind"),
        ({"host": "a"}, "/kind"),
        ({"kind": "../host", "host": "a"}, "/kind"),
        ({"kind": "host"}, "/host"),
        ({"kind": "host", "host": "a", "ports": "x"}, "/ports"),
        ({"kind": "host", "host": "a", "a/b~c": 1}, "/a~1b~0c"),
        ({"kind": "host", "host": "a", "x" * 500: 1}, "/" + "x" * 40),
        ({"kind": "host", "host": "a", "port_groups": ["critical", 5]}, "/port_groups/1"),
    ],
)
def test_the_pointer_names_what_is_wrong(data: object, pointer: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        registry.target(data)
    assert refused.value.pointer == pointer


def test_an_unknown_plugin_is_refused_naming_those_that_exist() -> None:
    with pytest.raises(registry.UnknownPlugin) as refused:
        registry.plugin("shared.contracts.kinds", "os")
    assert "host" in refused.value.cure
    assert isinstance(refused.value, Permanent)
    assert not isinstance(refused.value, NotFound)


@pytest.mark.parametrize("name", ["__init__", "host.Target", "../errors", "", "shared.errors"])
def test_no_name_reaches_out_of_the_folder(name: str) -> None:
    with pytest.raises(registry.UnknownPlugin):
        registry.plugin("shared.contracts.kinds", name)


def test_a_file_is_a_plugin_unless_it_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "drawer_of_test_registry"
    folder.mkdir()
    for name in ("__init__", "fork", "knife", "_rust"):
        (folder / f"{name}.py").write_text(f"NAME = {name!r}\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert registry.names(folder.name) == ("fork", "knife")
    assert {name: module.NAME for name, module in registry.plugins(folder.name).items()} == {
        "fork": "fork",
        "knife": "knife",
    }


def test_every_kind_has_a_target_with_its_name() -> None:
    for name, model in registry.kinds().items():
        assert model.model_fields["kind"].default == name
