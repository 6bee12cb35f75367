from __future__ import annotations

import base64
import os
import subprocess
import sys

import pytest

from shared import keyring
from shared.keyring import KeyMalformed, KeyMissing, StaleKey
from shared.settings import settings

ONE, TWO = (f"{name}:{base64.b64encode(bytes([number]) * 32).decode()}" for number, name in enumerate(("one", "two")))


@pytest.fixture
def given(fresh_settings: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    fresh_settings.setenv("VEDETTE_MASTER_KEY", ONE)
    return fresh_settings


def give(patch: pytest.MonkeyPatch, text: str) -> None:
    patch.setenv("VEDETTE_MASTER_KEY", text)
    settings.cache_clear()
    keyring.forget()


def test_a_key_is_the_same_each_time_and_another_for_each_purpose_and_organisation(given: pytest.MonkeyPatch) -> None:
    del given
    assert keyring.key("message", "acme") == keyring.key("message", "acme", "one")
    asked = [("message", "acme"), ("message", "other"), ("sign", "acme"), ("sign", ""), ("signa", "cme")]
    found = {keyring.key(purpose, org)[1] for purpose, org in asked}
    assert len(found) == len(asked)
    assert {len(each) for each in found} == {32}


def test_after_a_rotation_the_new_key_is_current_and_the_old_one_still_there(given: pytest.MonkeyPatch) -> None:
    before = keyring.key("message", "acme")
    give(given, f"{TWO},{ONE}")
    assert keyring.current() == "two"
    assert keyring.key("message", "acme")[0] == "two"
    assert keyring.key("message", "acme", "one") == before
    give(given, TWO)
    with pytest.raises(StaleKey, match="'one'"):
        keyring.key("message", "acme", "one")


def test_without_a_master_key_one_is_told_how_to_make_one(given: pytest.MonkeyPatch) -> None:
    give(given, "")
    with pytest.raises(KeyMissing) as refused:
        keyring.require()
    _, _, command = refused.value.cure.partition("made by: ")
    made = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, timeout=10, check=True).stdout
    assert keyring.parse(made).current == "k1"


@pytest.mark.parametrize(
    "text",
    [
        "hunter2",
        "one:hunter2",
        ":aGVsbG8=",
        f"{ONE},",
        f"{ONE},{ONE}",
        f"o ne{ONE[3:]}",
        "one:" + base64.b64encode(b"hunter2" * 4).decode(),
    ],
)
def test_what_is_no_key_is_refused_without_showing_it(text: str) -> None:
    with pytest.raises(KeyMalformed) as refused:
        keyring.parse(text)
    assert "hunter2" not in f"{refused.value!r} {refused.value.cure}"
    assert text not in f"{refused.value!r} {refused.value.cure}"


def test_a_keyring_shows_nothing_of_its_keys() -> None:
    assert repr(keyring.parse(f"{TWO},{ONE}")) == "Keyring()"


@pytest.mark.parametrize("command", ["-m control", "-m celery -A services.process worker --pool solo"])
def test_no_process_starts_without_one(command: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VEDETTE_")}
    arguments = [sys.executable, *command.split()]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 78
    assert "VEDETTE_MASTER_KEY" in done.stderr
    assert "Traceback" not in done.stderr
