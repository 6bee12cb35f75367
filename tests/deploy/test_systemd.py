from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
UNITS = sorted(path.name for path in FOLDER.glob("*.service"))
EXPOSURE_LIMIT = 2.5  # of 10; `systemd-analyze security` calls below 5 "OK"


@pytest.fixture(scope="module")
def analyze() -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        if os.environ.get("VEDETTE_TEST_ALL") == "1":
            pytest.fail("systemd-analyze is not installed")
        pytest.skip("systemd-analyze is not installed")
    return program


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units as they would be installed, with programs that exist."""
    for name in UNITS:
        text = (FOLDER / name).read_text()
        (tmp_path / name.replace("@.", "@scan.")).write_text(re.sub(r"/opt/vedette/bin/\w+", "/bin/true", text))
    return tmp_path


def complaints(analyze: str, unit: Path) -> list[str]:
    """What systemd says of a unit of ours; what it says of other units of this machine is not our concern."""
    run = subprocess.run([analyze, "verify", "--man=no", unit], capture_output=True, text=True, timeout=60, check=False)
    return [line for line in run.stderr.splitlines() if "vedette" in line]


@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_every_line(analyze: str, installed: Path, name: str) -> None:
    assert complaints(analyze, installed / name.replace("@.", "@scan.")) == []


def test_a_line_that_systemd_does_not_understand_is_reported(analyze: str, installed: Path) -> None:
    unit = installed / "vedette-gateway.service"
    unit.write_text(unit.read_text().replace("[Service]\n", "[Service]\nProtectTheMoon=yes\n"))
    assert "ProtectTheMoon" in " ".join(complaints(analyze, unit))


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_exposed_to_little(analyze: str, installed: Path, name: str) -> None:
    unit = installed / name.replace("@.", "@scan.")
    arguments: list[str | Path] = [analyze, "security", "--offline=true", "--no-pager", unit]
    run = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", run.stdout)
    assert exposure is not None, run.stderr
    assert float(exposure[1]) <= EXPOSURE_LIMIT


def test_a_worker_has_the_time_to_finish_and_its_children_are_not_signalled() -> None:
    text = (FOLDER / "vedette-worker@.service").read_text()
    assert "Type=exec" in text
    assert "KillMode=mixed" in text
    assert "TimeoutStopSec=330" in text


@pytest.mark.parametrize("name", UNITS)
def test_secrets_come_as_credentials_and_not_as_variables(name: str) -> None:
    text = (FOLDER / name).read_text()
    for variable, credential in re.findall(r"VEDETTE_(\w+)_FILE=%d/(\w+)", text):
        assert variable.lower() == credential
        assert f"LoadCredential={credential}:/etc/vedette/secrets/{credential}" in text
    assert not re.search(r"Environment=.*(TOKEN|_URL|SECRET)=", text)
