from __future__ import annotations

import threading

import pytest

from gateway.auth import passwords


@pytest.fixture
def quick() -> None:
    """Here the hash is the real one."""


def test_a_password_is_kept_as_argon2id_and_matches_itself_alone() -> None:
    kept = passwords.hashed("a long enough password")
    assert kept.startswith("$argon2id$")
    assert passwords.matches("a long enough password", kept)
    assert not passwords.matches("another password", kept)


def test_nobody_has_no_password() -> None:
    assert not passwords.matches("", None)


def test_made_passwords_differ_and_are_long_enough() -> None:
    made = {passwords.made() for _ in range(20)}
    assert len(made) == 20
    assert min(map(len, made)) >= 20


def test_who_logs_in_when_many_do_is_sent_away_and_holds_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "_places", threading.BoundedSemaphore(1))
    kept = passwords.hashed("a long enough password")
    with passwords._places, pytest.raises(passwords.TooManyAtOnce) as refused:
        passwords.matches("a long enough password", kept)
    assert refused.value.headers == {"Retry-After": "1"}
    assert passwords.matches("a long enough password", kept)
