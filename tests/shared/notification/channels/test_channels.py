from __future__ import annotations

import inspect

import pytest

from shared import registry
from shared.notification import channels


@pytest.mark.parametrize(
    ("destination", "name"),
    [("https://x.example/", "webhook"), ("HTTP://x.example/", "webhook"), (" mailto:a@b.example", "email")],
)
def test_the_scheme_says_the_channel(destination: str, name: str) -> None:
    assert channels.of(destination) is registry.plugin("shared.notification.channels", name)
    assert channels.name_of(destination) == name


@pytest.mark.parametrize("destination", ["", "ops@example.org", "javascript:alert(1)", "https"])
def test_an_unknown_scheme_is_refused_naming_those_that_exist(destination: str) -> None:
    with pytest.raises(channels.UnknownChannel) as caught:
        channels.of(destination if destination != "https" else "httpsx:")
    assert channels.name_of("httpsx:") == ""
    assert "mailto:" in caught.value.cure
    assert "https:" in caught.value.cure


@pytest.mark.parametrize("name", registry.names("shared.notification.channels"))
def test_every_channel_has_the_shape_of_a_channel(name: str) -> None:
    module = registry.plugin("shared.notification.channels", name)
    assert all(scheme == scheme.lower() for scheme in module.SCHEMES)
    for function in ("check", "deliver"):
        wanted = list(inspect.signature(getattr(channels.Channel, function)).parameters)[1:]
        found = list(inspect.signature(getattr(module, function)).parameters)
        assert len(found) == len(wanted)


def test_no_two_channels_share_a_scheme() -> None:
    schemes = [s for module in registry.plugins("shared.notification.channels").values() for s in module.SCHEMES]
    assert len(schemes) == len(set(schemes))
