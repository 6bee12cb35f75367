"""The arrows of the house: who may import whom. Read from the folders, so that a new module is held to them too."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERVICES = sorted(path.name for path in (ROOT / "services").iterdir() if (path / "tasks.py").exists())
OURS = {"shared", "services", "gateway", "control", "vedette", "tests"}

# Inside `shared`, a module may import those to its left, and its own group.
ORDER = [
    {"errors", "ids", "redaction", "text"},
    {"contracts"},
    {"settings"},
    {"registry", "telemetry", "policy", "resolver", "heartbeat"},
    {"store", "bus", "broker"},
    {"layers"},
    {"queue"},
    {"pipeline", "worker"},
    {"testing"},
]


def _sources(folder: str) -> list[Path]:
    return [path for path in sorted((ROOT / folder).rglob("*.py")) if ".venv" not in path.parts]


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] in OURS}


def _reaches(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("path", _sources("shared"), ids=lambda path: str(path.relative_to(ROOT)))
def test_shared_imports_only_shared_and_only_downwards(path: Path) -> None:
    relative = path.relative_to(ROOT / "shared")
    if relative.parts[0] == "__init__.py":
        return
    own = relative.parts[0].removesuffix(".py")
    rank = {name: place for place, group in enumerate(ORDER) for name in group}
    assert own in rank, f"put shared/{own} into ORDER"
    for name in _imports(path):
        assert name.split(".")[0] == "shared", f"shared must not know {name}"
        if len(name.split(".")) > 1:
            assert rank[name.split(".")[1]] <= rank[own], f"shared/{relative} must not import {name}"


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_knows_shared_and_itself(service: str) -> None:
    for path in _sources(f"services/{service}"):
        for name in _imports(path):
            allowed = _reaches(name, "shared") or _reaches(name, f"services.{service}") or name == "services"
            assert allowed, f"{path.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("folder", ["gateway", "control"])
def test_gateway_and_control_know_shared_and_themselves(folder: str) -> None:
    for path in _sources(folder):
        for name in _imports(path):
            assert _reaches(name, "shared") or _reaches(name, folder), f"{path.relative_to(ROOT)} imports {name}"


def test_the_command_line_speaks_http_only() -> None:
    allowed = {"vedette", "shared.errors", "shared.contracts", "shared.ids", "shared.redaction"}
    for path in _sources("vedette"):
        for name in _imports(path):
            fine = name == "shared" or any(_reaches(name, package) for package in allowed)
            assert fine, f"{path.relative_to(ROOT)} imports {name}"


def test_services_is_a_namespace() -> None:
    assert not (ROOT / "services" / "__init__.py").exists()


def test_only_the_store_speaks_sql() -> None:
    for folder in ("shared", "services", "gateway", "control", "vedette"):
        for path in _sources(folder):
            relative = path.relative_to(ROOT).as_posix()
            tree = ast.parse(path.read_text(encoding="utf-8"))
            modules = {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
            names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
            if any((module or "").split(".")[0] == "sqlalchemy" for module in modules | names):
                assert relative.startswith("shared/store/"), f"{relative} speaks SQL"


def test_no_stage_waits_for_another() -> None:
    for service in SERVICES:
        for path in _sources(f"services/{service}"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Attribute) and node.attr in {"AsyncResult", "apply_async", "send_task"}:
                    pytest.fail(f"{path.relative_to(ROOT)}:{node.lineno} talks to the queue; stages do not")


def test_settings_alone_read_the_environment() -> None:
    may = {"shared/settings.py", "vedette/stack/home.py", "vedette/stack/server.py", "vedette/stack/children.py"}
    may |= {"vedette/stack/doctor.py", "vedette/stack/lifecycle.py", "shared/testing.py"}
    for folder in ("shared", "services", "gateway", "control"):
        for path in _sources(folder):
            if "os.environ" in path.read_text(encoding="utf-8"):
                assert path.relative_to(ROOT).as_posix() in may, f"{path.relative_to(ROOT)} reads the environment"
