"""A real Prometheus, a real Alertmanager and the receiver of its webhook, on ports of their own, for one test."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from shared import testing
from tests.deploy import watching
from tests.e2e.conftest import free_port


@dataclass
class Receiver:
    """What came to the webhook: each alert of each message."""

    url: str
    alerts: list[dict[str, Any]] = field(default_factory=list)

    def came(self, name: str, status: str) -> list[dict[str, Any]]:
        """The alerts of this name that came as `firing` or `resolved`."""
        return [each for each in self.alerts if each["labels"]["alertname"] == name and each["status"] == status]


@contextmanager
def receiver() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.alerts.extend(json.loads(body)["alerts"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the name is inherited
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Receiver(f"http://127.0.0.1:{server.server_port}/alerts")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join(5)


@dataclass(frozen=True)
class Prometheus:
    """A running Prometheus that scrapes and judges every second."""

    url: str

    def ask(self, path: str, **query: str) -> Any:
        """Return `data` of an answer of its HTTP API."""
        with urlopen(f"{self.url}/api/v1/{path}?{urlencode(query)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, text: str) -> list[dict[str, Any]]:
        """Return the series that a query gives now, each with `metric` and `value`."""
        found = self.ask("query", query=text)["result"]
        assert isinstance(found, list)
        return found

    def value(self, text: str) -> float | None:
        """Return the one value that a query gives now, or None."""
        found = self.query(text)
        return float(found[0]["value"][1]) if found else None

    def families(self) -> dict[str, str]:
        """The series that were scraped, with the types of their metrics. OpenMetrics names these without a suffix."""
        types = {name.removesuffix("_total"): said[0]["type"] for name, said in self.ask("metadata").items()}
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}
        return {name + suffix: kind for name, kind in types.items() for suffix in suffixes.get(kind, [""])}


@contextmanager
def alertmanager(folder: Path, webhook: str) -> Iterator[str]:
    """An Alertmanager with the shipped routes, that tells this URL; gives its host and port."""
    made = watching.alertmanager(folder, webhook=webhook)
    where = f"127.0.0.1:{free_port()}"
    options = [f"--config.file={made}", f"--storage.path={folder}/alerts", "--cluster.listen-address="]
    command = [watching.program("prometheus-alertmanager"), *options, f"--web.listen-address={where}"]
    with testing.process(command, {}, folder / "alertmanager.log"):
        testing.wait_for(lambda: _answers(f"http://{where}/-/ready"), "Alertmanager answers")
        yield where


@contextmanager
def prometheus(folder: Path, gateway: str, token: str, alertmanager: str) -> Iterator[Prometheus]:
    """A Prometheus with the shipped rules, that scrapes this gateway."""
    made = watching.prometheus(folder, gateway=gateway, token=token, alertmanager=alertmanager)
    where = f"127.0.0.1:{free_port()}"
    options = [f"--config.file={made}", f"--storage.tsdb.path={folder}/series", f"--web.listen-address={where}"]
    with testing.process([watching.program("prometheus"), *options], {}, folder / "prometheus.log"):
        testing.wait_for(lambda: _answers(f"http://{where}/-/ready"), "Prometheus answers")
        yield Prometheus(f"http://{where}")


def _answers(url: str) -> bool:
    with contextlib.suppress(OSError), urlopen(url, timeout=5) as answer:
        return bool(answer.status == 200)
    return False
