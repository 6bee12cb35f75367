"""The arrows of the house: who may import whom. Read from the folders, so that a new module is held to them too."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SERVICES = sorted(path.name for path in (ROOT / "services").iterdir() if (path / "tasks.py").exists())
OURS = {"shared", "services", "gateway", "control", "vedette", "tests"}

QUEUE_TALK = {"AsyncResult", "GroupResult", "ResultSet", "allow_join_result", "apply_async", "delay", "send_task"}

# Inside `shared`, a module may import those to its left, and its own group.
ORDER = [
    {"errors", "ids", "packing", "redaction", "text"},
    {"contracts"},
    {"settings"},
    {"alerting", "registry", "telemetry", "policy", "resolver", "egress", "heartbeat", "dlq", "keyring", "codec"},
    {"store", "bus", "broker", "breaker", "spool"},
    {"recording", "notification"},
    {"layers", "waiting", "explanation", "admission"},
    {"dispatch"},
    {"queue"},
    {"pipeline", "worker"},
    {"replay", "intervention", "purge"},
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
    allowed = {"vedette", "shared.errors", "shared.contracts", "shared.ids", "shared.redaction", "shared.text"}
    by_file = {"vedette/stack/doctor.py": "shared.keyring"}  # it judges the key that the stack made
    for path in _sources("vedette"):
        more = by_file.get(path.relative_to(ROOT).as_posix())
        for name in _imports(path):
            fine = name == "shared" or any(_reaches(name, package) for package in allowed) or name == more
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


def _talk_to_the_queue(source: str) -> list[int]:
    """The lines that send a task, or hold or wait for the result of one."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt | ast.expr) and _sends_or_waits(node)
    ]


def _sends_or_waits(node: ast.AST) -> bool:
    match node:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name in QUEUE_TALK
        case ast.ImportFrom(module=module, names=names):
            return (module or "").startswith("celery.result") or any(alias.name in QUEUE_TALK for alias in names)
        case ast.Import(names=names):
            return any(alias.name.startswith("celery.result") for alias in names)
        case ast.Call(func=ast.Attribute(attr="get" | "join" | "ready"), args=[], keywords=keywords):
            return {keyword.arg for keyword in keywords} <= {"timeout", "propagate", "interval"}  # no dict, no str
    return False


@pytest.mark.parametrize("service", SERVICES)
def test_no_stage_waits_for_another(service: str) -> None:
    for path in _sources(f"services/{service}"):
        lines = _talk_to_the_queue(path.read_text(encoding="utf-8"))
        assert not lines, f"{path.relative_to(ROOT)}:{lines} talks to the queue; stages do not"


@pytest.mark.parametrize(
    "waiting",
    [
        "scan.delay(1)",
        "scan.apply_async((1,))",
        "app.send_task('scan.run')",
        "app.AsyncResult(task_id)",
        "from celery.result import AsyncResult as Later",
        "import celery.result",
        "def wait(result: AsyncResult): ...",
        "result.get()",
        "result.get(timeout=5)",
        "result.ready()",
        "results.join()",
        "with allow_join_result(): ...",
    ],
)
def test_every_way_to_wait_for_a_task_is_recognised(waiting: str) -> None:
    assert _talk_to_the_queue(waiting) == [1] * len(_talk_to_the_queue(waiting)) != []


@pytest.mark.parametrize("fine", ["facts.get('name')", "', '.join(words)", "{}.get(key, default)", "ready = True"])
def test_dictionaries_and_texts_are_not_taken_for_results(fine: str) -> None:
    assert _talk_to_the_queue(fine) == []


def _reads_the_environment(source: str) -> bool:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id="os"), attr="environ" | "environb" | "getenv"):
                return True
            case ast.ImportFrom(module="os", names=names) if {a.name for a in names} & {
                "environ",
                "environb",
                "getenv",
            }:
                return True
    return False


def test_settings_alone_read_the_environment() -> None:
    stack = ("home", "server", "children", "doctor", "supervisor", "offspring")  # it makes what the settings read
    standard = "shared/telemetry/otlp.py"  # the OTEL_* variables, which its SDK reads too
    may = {"shared/settings.py", "shared/testing.py", standard, *(f"vedette/stack/{name}.py" for name in stack)}
    read = {
        path.relative_to(ROOT).as_posix()
        for folder in ("shared", "services", "gateway", "control", "vedette")
        for path in _sources(folder)
        if _reads_the_environment(path.read_text(encoding="utf-8"))
    }
    assert read == may


DIALS = {"connect", "connect_ex", "create_connection", "sock_connect", "open_connection", "SMTP", "SMTP_SSL"}
CLIENTS = {"httpx", "requests", "urllib.request", "urllib3", "aiohttp", "http.client", "ftplib", "telnetlib"}
MAY_DIAL = {
    "services/scan/net/connect.py": {"connect_ex"},  # the sweep: thousands of sockets, each at a Destination
    "services/scan/net/dial.py": {"sock_connect"},  # the same, one at a time
    "shared/notification/submission.py": {"SMTP", "SMTP_SSL"},  # parents of classes that get their socket from egress
}


def _dials(source: str) -> set[str]:
    """Return the ways out to the network that do not lead through `shared.egress`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="egress"))):
                continue
            case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)) if name in DIALS:
                found.add(name)
            case ast.Attribute(value=ast.Name(id="smtplib"), attr="SMTP" | "SMTP_SSL" as name):
                found.add(name)
            case ast.Import(names=names):
                found |= {each.name for each in names} & CLIENTS
            case ast.ImportFrom(module=str(module)) if module in CLIENTS:
                found.add(module)
            case ast.Attribute(attr="SyncBackend" | "AnyIOBackend" | "AutoBackend" as name):
                found.add(name)
    return found


def test_stages_reach_the_network_through_the_guarded_connector_alone() -> None:
    for path in _sources("services"):
        relative = path.relative_to(ROOT).as_posix()
        found = _dials(path.read_text(encoding="utf-8")) - MAY_DIAL.get(relative, set())
        assert not found, f"{relative}: {found}; use shared.egress"


@pytest.mark.parametrize(
    "way",
    [
        "sock.connect(where)",
        "sock.connect_ex(where)",
        "socket.create_connection(('h', 1))",
        "await loop.sock_connect(sock, where)",
        "await asyncio.open_connection('h', 1)",
        "smtplib.SMTP('h')",
        "class Mine(smtplib.SMTP): ...",
        "import httpx",
        "from urllib.request import urlopen",
        "httpcore2.SyncBackend()",
    ],
)
def test_every_way_out_is_recognised(way: str) -> None:
    source = f"async def f():\n    {way}" if "await" in way else way
    assert _dials(source)


# Where gateway and services may see all organisations, and why. The others say whose rows they mean: see ADR 0021.
SEES_ALL = {
    "gateway/exposition.py::_of_store": "figures are of the whole installation, behind a token of their own",
    "gateway/guard.py::look": "alerts are of the installation, and of no organisation",
    "gateway/routes/health.py::_database": "whether the database answers is nobody's",
    "gateway/feed.py::_place_of": "a place in the event log is none's; what lies between two is read for one",
    "gateway/tail.py::_read": "follows the log once for all readers; each is told of its organisation alone",
}
# Before anybody's organisation is known, and where organisations and users are themselves what it is about.
IDENTITY = (
    "gateway/auth/",
    "gateway/invitations.py",
    "gateway/login.py",
    "gateway/routes/login.py",
    "gateway/routes/orgs.py",
    "gateway/routes/users.py",
)


def _unbound(source: str) -> set[str]:
    """The functions that ask the store for all organisations."""
    return {
        function.name
        for function in ast.walk(ast.parse(source))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if _sees_all(node)
    }


def _sees_all(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Name(id="reading" | "writing") | ast.Attribute(attr="reading" | "writing")):
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            return not given or (isinstance(given[0], ast.Constant) and given[0].value is None)
    return False


def test_gateway_and_services_say_whose_rows_they_mean() -> None:
    found = {
        f"{path.relative_to(ROOT).as_posix()}::{name}"
        for folder in ("gateway", "services")
        for path in _sources(folder)
        for name in _unbound(path.read_text(encoding="utf-8"))
    }
    assert {name for name in found if not name.startswith(IDENTITY)} == set(SEES_ALL)


@pytest.mark.parametrize("open_to_all", ["reading()", "engine.writing()", "reading(None)", "writing(org_id=None)"])
def test_every_way_to_see_all_organisations_is_recognised(open_to_all: str) -> None:
    assert _unbound(f"def ask():\n    with {open_to_all} as connection: ...") == {"ask"}
    assert _unbound("def ask():\n    with reading(caller.org_id) as connection: ...") == set()


OPENS = {"create_engine", "make_engine", "raw_connection", "exec_driver_sql", "execution_options"}
MAY_OPEN = {f"shared/store/{name}.py" for name in ("engine", "tenancy", "sqlite")}


def _opens_connections(source: str) -> bool:
    """Whether it goes round `reading` and `writing`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name) | ast.Name(id=name) if name in OPENS:
                return True
            case ast.Attribute(
                attr="connect" | "begin", value=ast.Call(func=ast.Name(id="engine") | ast.Attribute(attr="engine"))
            ):
                return True
            case ast.ImportFrom(module="shared.store.engine", names=names) if any(
                n.name.startswith("_") for n in names
            ):
                return True
    return False


def test_the_engine_alone_opens_connections() -> None:
    found = {
        path.relative_to(ROOT).as_posix()
        for folder in ("shared", "services", "gateway", "control", "vedette")
        for path in _sources(folder)
        if "migrations" not in path.parts and _opens_connections(path.read_text(encoding="utf-8"))
    }
    assert found <= MAY_OPEN


@pytest.mark.parametrize(
    "around",
    [
        "engine().connect()",
        "store.engine.engine().begin()",
        "make_engine(url)",
        "connection.exec_driver_sql('SELECT 1')",
        "connection.execution_options(vedette_org='b')",
        "from shared.store.engine import _reader",
    ],
)
def test_every_way_round_the_engine_is_recognised(around: str) -> None:
    assert _opens_connections(around)
