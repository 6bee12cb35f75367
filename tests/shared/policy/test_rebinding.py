"""DNS rebinding, with a real name server that answers differently the second time, in a network of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import missing

ROOT = Path(__file__).parents[3]
_UNSHARE = ("unshare", "--map-root-user", "--net", "--mount")


def in_own_network(folder: Path, *arguments: str) -> list[str]:
    """Run `tests.nameserver` where 127.0.0.1 is the only name server; return the lines that it prints."""
    resolver = folder / "resolv.conf"
    resolver.write_text("nameserver 127.0.0.1\noptions timeout:2 attempts:1\n")
    script = f'mount --bind {resolver} /etc/resolv.conf && exec "$@"'
    command = [*_UNSHARE, "sh", "-c", script, "sh"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*command, "true"], capture_output=True, check=False).returncode
    ):
        missing("namespaces of network and mounts are not to be had here")
    program = [*command, sys.executable, "-m", "tests.nameserver", *arguments]
    done = _run(program)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


INWARD = [("169.254.169.254", "never"), ("127.0.0.1", "closed"), ("10.0.0.1", "closed"), ("0.0.0.0", "never")]


@pytest.mark.parametrize(
    ("to", "rule"),
    [("169.254.169.254", "never"), ("127.0.0.1", "closed"), ("10.0.0.1", "closed"), ("0.0.0.0", "never")],
)
def test_a_name_that_turns_inward_after_its_submission_gets_no_packet(tmp_path: Path, to: str, rule: str) -> None:
    assert in_own_network(tmp_path, "rebound", to) == [f"refused: {rule} [0]"]


def test_a_scan_connects_to_the_address_that_was_judged_and_asks_for_no_other(tmp_path: Path) -> None:
    assert in_own_network(tmp_path, "pinned") == ["1 port · 1 open 1 True 0"]


def test_a_webhook_is_sent_to_the_address_that_was_judged_and_judged_anew_the_next_time(tmp_path: Path) -> None:
    assert in_own_network(tmp_path, "webhook") == ["b'HTTP/1.1 204' 1 [1]", "refused: never [1]"]
