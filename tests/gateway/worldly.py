"""One fresh thing of each kind for a request to name, and bodies that are right for it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

from sqlalchemy import select

from shared.alerting import Bound, Change, Reading
from shared.broker import presence
from shared.broker.client import client as redis_client
from shared.broker.presence import WorkerRecord
from shared.contracts.alert import AlertRule
from shared.contracts.operation import OperationKind
from shared.ids import now
from shared.store import alerts, burial, operations, tables
from shared.store.alerts import Telling
from shared.store.engine import reading, writing
from tests.gateway.driving import Served, finish
from tests.gateway.foreign import results
from tests.gateway.test_interventions import fail
from tests.shared.store import dying

TARGET = {"kind": "host", "host": "127.0.0.1"}
PASSWORD = "battery-staple-9"
API = "/api/v1"
NAMES = {"name": "scan", "format": "json", "class": "external"}  # that are always there


@dataclass
class World:
    """Makes what the paths of the API name, each time anew: what one request ends, no other misses."""

    served: Served
    make_job: Callable[..., str]

    def __post_init__(self) -> None:
        self.numbers = count()

    def known(self, method: str, path: str) -> dict[str, str]:
        """Return values of the parameters of a path, which name what is there."""
        wanted = re.findall(r"{(\w+)}", path)
        values = {name: NAMES[name] for name in wanted if name in NAMES}
        rest = [name for name in wanted if name not in NAMES]
        if rest:
            make = self._makers(method).get(path.partition("{")[0])
            assert make, f"tell {__name__} how to make what {path} names"
            values[rest[0]] = make(path)
        return values

    def _makers(self, method: str) -> dict[str, Callable[[str], str]]:
        return {
            "/api/scan/": lambda _: self.make_job(),
            f"{API}/alerts/": lambda _: self.alert(),
            f"{API}/analysis/status/": lambda _: self.make_job(),
            f"{API}/api-keys/": lambda _: self.posted("api-keys", self.key())["id"],
            f"{API}/batches/": lambda _: self.posted("batches", {"targets": [TARGET]})["id"],
            f"{API}/dlq/": lambda _: self.letter(),
            f"{API}/dlq/rules/": lambda _: self.posted("dlq/rules", self.rule())["id"],
            f"{API}/findings/": lambda _: self.finding(),
            f"{API}/invitations/": lambda _: self.posted("invitations", self.email())["id"],
            f"{API}/jobs/": lambda path: self.job(method, path),
            f"{API}/members/": lambda _: self.user()[0],
            f"{API}/operations/": lambda _: self.operation(),
            f"{API}/orgs/": lambda _: self.posted("orgs", self.org())["id"],
            f"{API}/quota/members/": lambda _: self.user()[0],
            f"{API}/scan-rules/": lambda _: self.posted("scan-rules", self.scan_rule())["id"],
            f"{API}/traces/": lambda _: self.trace(),
            f"{API}/users/": lambda _: self.user()[0],
            f"{API}/workers/dlq/": lambda _: self.letter(),
        }

    def job(self, method: str, path: str) -> str:
        """Return a job in a state in which the operation is allowed."""
        if path.endswith(("trace", "explain")):
            return str(self.posted("jobs", {"target": TARGET})["jobs"][0]["id"])
        job_id = self.make_job()
        if path.endswith((":retry", ":resume")):
            fail(job_id)
        elif not path.endswith(":cancel") and method != "patch":
            finish(job_id)
            with writing("local") as connection:
                results(connection, job_id, "local")
        if path.endswith("/order"):
            self.posted(f"jobs/{job_id}/reports", {"format": "json"})
        return job_id

    def letter(self) -> str:
        """Return a dead letter that can be replayed, for a worker would take it."""
        record = WorkerRecord(
            hostname="scan@h", service="scan", pid=1, queues=["scan"], concurrency=1, started_at=now()
        )
        presence.write(redis_client(), record)
        job_id = self.make_job()
        fail(job_id)
        entry = dying.entry(job_id, org_id="local")
        with writing() as connection:
            burial.take_in(connection, [dying.arrival(entry, dying.message(job_id))])
        return dying.letter_of(job_id)

    def finding(self) -> str:
        """Return the finding of a job that is over."""
        self.job("get", "/findings")
        with reading("local") as connection:
            return str(connection.execute(select(tables.findings.c.id)).scalars().first())

    def operation(self) -> str:
        """Return an operation that goes on."""
        with writing("local") as connection:
            return operations.create(connection, "local", OperationKind.REPLAY, {}, total=3, by="test").id

    def trace(self) -> str:
        """Return the trace of a job."""
        job_id = self.job("get", "/trace")
        return str(self.served.http.get(f"{API}/jobs/{job_id}").json()["trace_id"])

    def alert(self) -> str:
        """Return an alert that fires."""
        subject = f"queue-{next(self.numbers)}"
        seen = Reading(AlertRule.QUEUE_TOO_OLD, subject, 10, "It is too old.", "Add workers.")
        with writing() as connection:
            alerts.apply(connection, Change([seen]), {seen.rule: Bound(10, 5, 0, 0)}, Telling())
            return alerts.firing(connection)[seen.key]

    def user(self) -> tuple[str, str]:
        """Return the id and the e-mail of a member."""
        asked = {**self.email(), "password": PASSWORD, "org": "local"}
        return self.posted("users", asked)["id"], asked["email"]

    def posted(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Make a thing by the API; fail with its answer."""
        answer = self.served.http.post(f"{API}/{path}", json=body)
        assert answer.is_success, f"{path}: {answer.text}"
        made: dict[str, Any] = answer.json()
        return made

    def email(self) -> dict[str, str]:
        return {"email": f"user-{next(self.numbers)}@example.org"}

    def org(self) -> dict[str, str]:
        return {"id": f"org-{next(self.numbers)}", "name": "Org"}

    def key(self) -> dict[str, str]:
        return {"name": f"key-{next(self.numbers)}", "role": "viewer"}

    def rule(self) -> dict[str, str]:
        return {"contains": f"text-{next(self.numbers)}", "failure_class": "permanent"}

    def scan_rule(self) -> dict[str, str]:
        return {"effect": "deny", "what": f"host-{next(self.numbers)}.example"}
