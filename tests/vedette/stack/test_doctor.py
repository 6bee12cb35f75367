from __future__ import annotations

from pathlib import Path

import pytest

from vedette.stack.doctor import doctor
from vedette.stack.home import Layout


def _said(name: str) -> tuple[bool | None, str]:
    [found] = [check for check in doctor() if check.name == name]
    return found.ok, found.detail


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder that somebody made by mkdir."""
    root = tmp_path / "home"
    root.mkdir(mode=0o755)
    root.chmod(0o755)
    monkeypatch.setenv("VEDETTE_HOME", str(root))
    return root


def test_a_folder_made_by_hand_is_made_private_and_is_fine(folder: Path) -> None:
    assert _said("state folder") == (True, str(folder))
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_of_ours_is_made_private_again(folder: Path) -> None:
    Layout(folder).access_token()
    folder.chmod(0o755)
    assert _said("state folder")[0] is True


def test_a_folder_with_things_of_others_keeps_its_mode(folder: Path) -> None:
    (folder / "holiday.jpg").touch()
    assert _said("state folder")[0] is False
    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_master_key_is_made_at_the_first_start_and_missed_after_it(folder: Path) -> None:
    assert _said("master key")[0] is True
    Layout(folder).make()
    Layout(folder).database.touch()
    assert _said("master key") == (False, "it is gone, and with it what it sealed")


def test_a_master_key_is_named_by_its_id_and_never_shown(folder: Path) -> None:
    where = Layout(folder)
    where.make_master_key()
    secret = where.master_key.read_text().strip().partition(":")[2]
    assert _said("master key") == (True, f"k1, {where.master_key}")
    where.master_key.chmod(0o644)
    assert _said("master key")[0] is False
    where.master_key.write_text(f"k1:{secret}=")
    ok, detail = _said("master key")
    assert (ok, secret in detail) == (False, False)


@pytest.mark.parametrize(("url", "said"), [("bogus", "is not a URL"), ("mysql://root:pw@h/v", "of kind 'mysql'")])
def test_what_names_no_database_is_said_without_repeating_it(
    monkeypatch: pytest.MonkeyPatch, url: str, said: str
) -> None:
    monkeypatch.setenv("VEDETTE_DATABASE_URL", url)
    ok, detail = _said("database")
    assert ok is False
    assert detail.startswith("VEDETTE_DATABASE_URL ")
    assert said in detail
    assert "pw" not in detail
