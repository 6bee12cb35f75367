from __future__ import annotations

import base64
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from shared import keyring
from shared.settings import Settings
from tests.conftest import missing

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make(tmp_path / "secrets")
    return tmp_path / "secrets"


def make(folder: Path) -> str:
    arguments = [ROOT / "deploy" / "make-secrets", folder]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=True).stdout


def test_every_secret_that_compose_names_is_made(folder: Path) -> None:
    named = YAML(typ="safe").load(ROOT / "docker-compose.yml")["secrets"]
    assert {path.name for path in folder.iterdir()} == {Path(each["file"]).name for each in named.values()}


def test_other_users_cannot_enter_the_folder_and_containers_can_read_the_files(folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o444}


def test_a_second_run_changes_nothing(folder: Path) -> None:
    before = {path.name: path.read_text() for path in folder.iterdir()}
    assert "created" not in make(folder)
    assert {path.name: path.read_text() for path in folder.iterdir()} == before


def test_no_two_installations_share_a_secret(folder: Path, tmp_path: Path) -> None:
    make(tmp_path / "other")
    for path in folder.iterdir():
        if path.name not in ("smtp_url", "alert_webhook_url"):  # empty until somebody has a server
            assert path.read_text() != (tmp_path / "other" / path.name).read_text(), path.name


def test_without_a_program_that_it_needs_no_secret_is_made(tmp_path: Path) -> None:
    arguments = ["/bin/sh", ROOT / "deploy" / "make-secrets", tmp_path / "secrets"]
    run = subprocess.run(arguments, env={"PATH": "/nonexistent"}, capture_output=True, text=True, check=False)
    assert run.returncode != 0
    assert "is not installed" in run.stderr
    assert not (tmp_path / "secrets").exists()


def test_the_settings_read_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VEDETTE_MASTER_KEY")
    for name in ("redis_url", "database_url", "master_key", "token", "webhook_secret", "smtp_url"):
        monkeypatch.setenv(f"VEDETTE_{name.upper()}_FILE", str(folder / name))
    read = Settings()
    password = (folder / "redis_password").read_text()
    assert len(bytes.fromhex(password)) == 24
    assert read.broker_url == f"redis://:{password}@redis:6379/0"
    assert read.database_url.get_secret_value().startswith("postgresql://vedette:")
    assert len(base64.b64decode(read.webhook_secret.get_secret_value().removeprefix("whsec_"), validate=True)) == 32
    assert keyring.parse(read.master_key.get_secret_value()).current == "k1"
    assert read.smtp_url.get_secret_value() == ""


def test_git_never_sees_them() -> None:
    path = "deploy/secrets/token"
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        missing("this is no working copy of git")
    command = ["git", "-c", "safe.directory=*", "check-ignore", path]  # whoever the working copy belongs to
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.stdout.strip() == path
