"""A real gateway process with a store of its own, and somebody who carries out its jobs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from shared import testing
from tests.conftest import missing
from tests.vedette.lab import ROOT, TOKEN, Lab, Ran, Vedette, await_driver, free_port
from tests.vedette.terminal import Terminals
from vedette import cli


@pytest.fixture(scope="session")
def _lab(redis_server: testing.RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    folder = tmp_path_factory.mktemp("lab")
    port = free_port()
    environment = {
        "VEDETTE_DATABASE_URL": f"sqlite:///{folder}/v.db",
        "VEDETTE_REDIS_URL": redis_server.url,
        "VEDETTE_RUN_DIR": str(folder),
        "VEDETTE_GATEWAY_PORT": str(port),
        "VEDETTE_TOKEN": TOKEN,
        "VEDETTE_PRIVATE_TARGETS": "true",
        "VEDETTE_REDIS_BUS_DB": "5",
        "VEDETTE_REDIS_BROKER_DB": "6",
        "PYTHONPATH": str(ROOT),
    }
    migrate = [sys.executable, "-m", "shared.store.migrate"]
    with ExitStack() as stack:
        with testing.process(migrate, environment, folder / "migrate.log", cwd=ROOT) as migrating:
            assert migrating.wait(60) == 0, (folder / "migrate.log").read_text()
        lab = Lab(folder, port, environment)
        driver = [sys.executable, str(Path(__file__).with_name("driver.py")), str(lab.release)]
        stack.enter_context(testing.process(driver, environment, folder / "driver.log", cwd=ROOT))
        stack.callback(lab.stop)
        lab.start()
        await_driver(lab)
        yield lab


@pytest.fixture
def lab(_lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Lab]:
    """The gateway, with the environment of somebody who uses it from an empty folder."""
    monkeypatch.setenv("VEDETTE_URL", _lab.url)
    monkeypatch.setenv("VEDETTE_TOKEN", TOKEN)
    monkeypatch.setenv("VEDETTE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    yield _lab
    _lab.release.unlink(missing_ok=True)


@pytest.fixture
def vedette(capsys: pytest.CaptureFixture[str]) -> Vedette:
    """Run the command line in this process."""

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        said = capsys.readouterr()
        return Ran(int(ended.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def done(lab: Lab, vedette: Vedette) -> str:
    """The id of a job that is over."""
    identifier = vedette("scan", "host", "127.0.0.1", "--ports", "1", "-o", "id", "-q").out.strip()
    assert vedette("jobs", "wait", identifier).code == 0
    return identifier


@pytest.fixture(scope="session")
def open_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a server on loopback that anybody may use: it has findings."""
    try:
        binary = testing.redis_binary()
    except testing.Missing as exc:
        missing(str(exc))
    folder = tmp_path_factory.mktemp("open")
    port = free_port()
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with testing.process(command, {}, folder / "log"):
        testing.wait_for(lambda: "Ready to accept" in (folder / "log").read_text(), "redis listens")
        yield port


@pytest.fixture
def terminals() -> Iterator[Terminals]:
    """Terminals to run commands in."""
    found = Terminals()
    yield found
    found.close()
