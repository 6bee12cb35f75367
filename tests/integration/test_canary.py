"""Secrets that must turn up nowhere: jobs that succeed and jobs that fail, then every place is searched for them."""

from __future__ import annotations

import base64
import json
import secrets
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis

from control import ingester
from shared import codec, keyring, testing
from shared.settings import settings
from tests.integration.conftest import Stack, built

CANARY = "canary" + secrets.token_hex(4)
MASTER = base64.b64encode(f"{CANARY:<32}"[:32].encode()).decode()
WEBHOOK = base64.b64encode(f"{CANARY:!<32}"[:32].encode()).decode()
TOKEN = f"{CANARY}-token-of-the-installation"
WORDS = [CANARY, CANARY.upper(), MASTER, WEBHOOK, base64.b64encode(f"ann:{CANARY}".encode()).decode()]
DATABASES = 16


@dataclass
class Site:
    stack: Stack
    client: httpx2.Client
    database: Path
    hook: str
    kept: dict[str, bytes] = field(default_factory=dict)

    def submit(self, port: int, **options: Any) -> str:
        target = {"kind": "host", "host": "127.0.0.1", "ports": str(port)}
        body = {"target": target, **options}
        answer = self.post("/api/v1/jobs", body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["jobs"][0]["id"])

    def post(self, path: str, body: Any) -> httpx2.Response:
        answer = self.client.post(path, json=body)
        self.kept[f"POST {path} {len(self.kept)}"] = answer.content
        return answer

    def get(self, path: str) -> httpx2.Response:
        answer = self.client.get(path)
        self.kept[f"GET {path}"] = answer.content + str(answer.headers).encode()
        return answer


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, new_database: Callable[[str, Path], str]) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("canary")
    with socket.create_server(("127.0.0.1", 0)) as probe, closing(socket.socket()) as closed:
        port = probe.getsockname()[1]
        closed.bind(("127.0.0.1", 0))
        unanswered = closed.getsockname()[1]
    chosen = {
        "token": TOKEN,
        "master_key": f"c:{MASTER}",
        "webhook_secret": f"whsec_{WEBHOOK}",
        "smtp_url": f"smtp://ann:{CANARY}@127.0.0.1:{unanswered}",
        "gateway_port": str(port),
        "log_level": "debug",
        "notify": "[]",
    }
    with built(folder, new_database("sqlite", folder), **chosen) as stack:
        stack.start("scan", "process", "report", "notify")
        gateway = testing.process([sys.executable, "-m", "gateway"], stack.environment, folder / "gateway.log")
        stack.processes.enter_context(gateway)
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            client.headers["authorization"] = f"Bearer {TOKEN}"
            testing.wait_for(lambda: _is_up(client), "the gateway is ready")
            hook = f"http://ann:{CANARY}@127.0.0.1:{{}}/{CANARY}/hook?key={CANARY}"
            yield Site(stack, client, folder / "v.db", hook)


def _is_up(client: httpx2.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx2.TransportError:
        return False


def test_no_secret_turns_up_anywhere(site: Site, banner: int) -> None:
    good = site.submit(banner, notify=[site.hook.format(site.stack.receiver.port)])
    done = site.stack.ended(good)
    assert done.state == "succeeded"
    assert site.stack.receiver.of(good)
    bad = site.submit(banner, notify=[site.hook.format(1), f"mailto:{CANARY}@example.org"])
    assert site.stack.ended(bad).state.is_terminal
    testing.wait_for(lambda: ingester.ingest_once() + len(site.get("/api/v1/dlq").json()["items"]) > 0, "it is dead")
    [letter] = site.get("/api/v1/dlq").json()["items"]
    how = {"mode": "edited", "changes": {"notify": [site.hook.format(2)]}}
    site.post(f"/api/v1/dlq/{letter['id']}:replay", how)
    site.post("/api/v1/dlq:replay", {"selection": {"all": True}, "how": how, "dry_run": False})
    site.post("/api/v1/jobs", {"target": {"kind": "host", "host": "127.0.0.1"}, "notify": [f"no://a:{CANARY}@h"]})
    site.client.get("/api/v1/jobs", headers={"authorization": f"Bearer {TOKEN}x"})
    told = _come_in(site)
    for path in _paths(site, {"jobs": bad, "dlq": str(letter["id"])}):
        site.get(path)

    places = {**_files(site), **_redis(site)}
    found = [*_in(site.kept), *_in(places), *_in(places | site.kept, told)]
    assert found == []
    assert any(codec.MARK.encode() in content for content in _files(site).values())  # that is what lies there instead
    assert len(site.kept) > 20
    assert sum(map(len, _redis(site).values())) > 1000


def test_no_secret_is_in_what_objects_say_of_themselves(site: Site) -> None:
    shown = {"settings": repr(settings()) + str(settings()), "keys": repr(keyring.parse(f"c:{MASTER}"))}
    assert _in({name: text.encode() for name, text in shown.items()}) == []
    with pytest.raises(keyring.KeyMalformed) as refused:
        keyring.parse(f"c:{MASTER}x")
    assert MASTER not in repr(refused.value)


def _come_in(site: Site) -> list[str]:
    """Make a user and a key, log in rightly and wrongly; return what was told once and must be kept nowhere."""
    who = {"email": "ann@example.org", "password": f"{CANARY} is a long word"}
    assert site.post("/api/v1/users", {**who, "org": "local"}).status_code == 201
    tokens = site.client.post("/api/v1/auth/login", json=who).json()
    site.post("/api/v1/auth/login", {**who, "password": f"{CANARY} is another"})
    again = site.client.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).json()
    once = {"idempotency-key": "once"}
    key = site.client.post("/api/v1/api-keys", json={"name": "ci"}, headers=once).json()["secret"]
    assert site.client.post("/api/v1/api-keys", json={"name": "ci"}, headers=once).json()["secret"] == key
    assert site.client.get("/api/v1/jobs", headers={"authorization": f"Bearer {key}"}).status_code == 200
    return [
        key,
        *_invited(site),
        *(each[name] for each in (tokens, again) for name in ("access_token", "refresh_token")),
    ]


def _invited(site: Site) -> list[str]:
    """Invite two, of whom one comes in; return the tokens of the invitations."""
    path, once = "/api/v1/invitations", {"idempotency-key": "invited-once"}
    tokens = [
        str(site.client.post(path, json={"email": f"{name}@example.org"}, headers=headers).json()["token"])
        for name, headers in (("bob", {}), ("eve", once))
    ]
    accepted = site.post(f"{path}/accept", {"token": tokens[0], "password": f"{CANARY} is a long word"})
    assert accepted.status_code == 200
    assert site.post(f"{path}/accept", {"token": tokens[0], "password": f"{CANARY} is a long word"}).status_code == 404
    return tokens


def _paths(site: Site, ids: dict[str, str]) -> list[str]:
    """Every address that can be read without knowing more than these ids."""
    found = []
    for path, methods in site.get("/api/v1/openapi.json").json()["paths"].items():
        filled = path.replace("/jobs/{id}", f"/jobs/{ids['jobs']}").replace("/dlq/{id}", f"/dlq/{ids['dlq']}")
        if "get" in methods and "{" not in filled and not filled.endswith("/events"):
            found.append(filled)
    return [*found, *(f"/api/v1/jobs/{ids['jobs']}/reports/{name}" for name in ("json", "html", "csv"))]


def _files(site: Site) -> dict[str, bytes]:
    """What was logged and stored: the logs, and the database with all that it is made of."""
    return {path.name: path.read_bytes() for path in site.stack.folder.rglob("*") if path.is_file()}


def _redis(site: Site) -> dict[str, bytes]:
    """The content of every key of every database."""
    found = {}
    url = site.stack.environment["VEDETTE_REDIS_URL"]
    for number in range(DATABASES):
        with redis.Redis.from_url(f"{url}?db={number}") as client:
            for key in client.scan_iter(count=1000):
                found[f"{number} {key!r}"] = key + repr(_content(client, key)).encode()
    return found


def _content(client: redis.Redis, key: bytes) -> object:
    read: dict[Any, Callable[[], object]] = {
        b"string": lambda: client.get(key),
        b"list": lambda: client.lrange(key, 0, -1),
        b"hash": lambda: client.hgetall(key),
        b"set": lambda: client.smembers(key),
        b"zset": lambda: client.zrange(key, 0, -1),
        b"stream": lambda: [_plain(entry) for entry in client.xrange(key) or []],
    }
    return read[client.type(key)]()


def _plain(entry: Any) -> Any:
    """An entry with the bodies of messages in it decoded: base64 hides nothing."""
    raw = entry[1].get(b"raw", b"")
    try:
        return entry, base64.b64decode(json.loads(raw)["body"])
    except (ValueError, TypeError, LookupError):
        return entry


def _in(places: dict[str, bytes], words: Sequence[str] = WORDS) -> list[tuple[str, str]]:
    return [(place, word) for place, content in places.items() for word in words if word.encode() in content]
