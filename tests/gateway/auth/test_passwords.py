from __future__ import annotations

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
