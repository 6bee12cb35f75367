"""Python in a network of its own: nobody else listens there, and it has no route."""

from __future__ import annotations

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.conftest import missing

ROOT = Path(__file__).parents[3]
TIMEOUT_S = 60
_UNSHARE = ("unshare", "--map-root-user", "--net")


def alone(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with these arguments. Skips where the kernel, or this user, has no network namespaces."""
    if not _is_possible():
        missing("network namespaces are not to be had here")
    return _run([*_UNSHARE, sys.executable, *arguments])


@cache
def _is_possible() -> bool:
    return shutil.which(_UNSHARE[0]) is not None and _run([*_UNSHARE, sys.executable, "-c", ""]).returncode == 0


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
