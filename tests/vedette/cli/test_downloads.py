"""Reports in a folder: whatever the gateway calls them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.report import ReportView
from tests.vedette.lab import answering, send
from vedette.cli import downloads
from vedette.cli.failure import Misused
from vedette.client import Client
from vedette.refusals import AnswerNotUnderstood


@given(st.text(max_size=400), st.sampled_from(["pdf", "html", "a/b", ""]))
def test_a_name_is_always_one_plain_component(name: str, form: str) -> None:
    safe = downloads.safe_name(name, form)
    assert Path(safe).name == safe
    assert safe.strip(".")
    assert not safe.startswith((".", "-", "~"))
    assert safe.isprintable()
    assert len(safe) < 200


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("127.0.0.1-3f0f6e1b.pdf", "127.0.0.1-3f0f6e1b.pdf"),
        ("../../etc/cron.d/x.pdf", "x.pdf"),
        ("..\\..\\x.pdf", "x.pdf"),
        ("/etc/passwd", "passwd.pdf"),
        (".bashrc", "bashrc.pdf"),
        ("-rf.pdf", "rf.pdf"),
        ("a\x1b[31m\u202efdp.exe", "a-31m-fdp.exe"),
        ("", "report.pdf"),
        ("...", "report.pdf"),
    ],
)
def test_names_that_would_lead_elsewhere(name: str, safe: str) -> None:
    assert downloads.safe_name(name, "pdf") == safe


def test_a_taken_name_gets_a_number_and_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "r.pdf").symlink_to(tmp_path / "elsewhere")
    assert downloads.write(tmp_path, "r.pdf", b"1").name == "r-2.pdf"
    assert downloads.write(tmp_path, "r.pdf", b"2").name == "r-3.pdf"
    assert not (tmp_path / "elsewhere").exists()


def test_a_disk_that_refuses_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(downloads.NotWritten):
        downloads.write(tmp_path / "missing", "r.pdf", b"1")
    if Path("/dev/full").exists():
        with pytest.raises(Misused):
            downloads.check_folder(Path("/dev/full"))


def test_a_folder_is_made_and_a_file_in_its_place_is_named(tmp_path: Path) -> None:
    downloads.check_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(Misused, match="file"):
        downloads.check_folder(tmp_path / "file")


def test_a_report_that_is_not_what_was_announced_is_not_written(tmp_path: Path) -> None:
    view = ReportView.model_validate(
        dict.fromkeys(("id", "job_id", "format", "media_type", "filename"), "json")
        | {"size_bytes": 2, "sha256": "0" * 64, "created_at": "2026-11-22T00:00:00Z"}
    )
    with (
        answering(lambda handler: send(handler, b"{}")) as url,
        Client(url) as client,
        pytest.raises(AnswerNotUnderstood, match="damaged"),
    ):
        downloads.fetch(client, "j", [view], tmp_path)
    assert list(tmp_path.iterdir()) == []
