"""Typed client of the gateway. HTTP only; every call has a time-out and a byte limit.

    with Client("http://127.0.0.1:8000", token) as client:
        job = client.submit([Target(host="127.0.0.1")]).jobs[0]
        print(client.wait(job.id, timeout_s=600).score)
        print(client.dlq.stats().open, client.queues.all().items)

Raises the errors of `vedette.refusals`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from shared.contracts.queues import WorkerView
from vedette.client.access import Keys, LogIn, Orgs, Users
from vedette.client.alerts import Alerts
from vedette.client.audit import Audit, AuditPage
from vedette.client.batches import Batches
from vedette.client.dlq import DeadLetterPage, DeadLetters
from vedette.client.findings import Findings
from vedette.client.http import TIMEOUT_S, Http, Items
from vedette.client.jobs import JobPage, Jobs, ReportFile, timed_out
from vedette.client.live import Live
from vedette.client.operations import OperationPage, Operations
from vedette.client.policies import Policies
from vedette.client.queues import Queues
from vedette.client.raw import Raw
from vedette.client.statistics import Statistics
from vedette.client.targets import Targets
from vedette.client.traces import Traces

__all__ = ["AuditPage", "Client", "DeadLetterPage", "JobPage", "OperationPage", "ReportFile", "timed_out"]


class Client(Jobs):
    """The gateway at `url`: jobs by itself, the rest by noun. Close it, or use it as a context manager.

    token: or what returns the one that holds now, asked for each request.  org: for root, to act in another than one's
    own. Safe to use from several threads.
    """

    def __init__(
        self, url: str, token: str | Callable[[], str] = "", *, timeout_s: float = TIMEOUT_S, org: str = ""
    ) -> None:
        super().__init__(Http(url, token, timeout_s, org=org))
        self.audit = Audit(self._http)
        self.batches = Batches(self._http)
        self.keys = Keys(self._http)
        self.login = LogIn(self._http)
        self.orgs = Orgs(self._http)
        self.users = Users(self._http)
        self.dlq = DeadLetters(self._http)
        self.live = Live(self._http)
        self.operations = Operations(self._http)
        self.alerts = Alerts(self._http)
        self.queues = Queues(self._http)
        self.policies = Policies(self._http)
        self.raw = Raw(self._http)
        self.statistics = Statistics(self._http)
        self.targets = Targets(self._http)
        self.traces = Traces(self._http)
        self.weaknesses = Findings(self._http)  # `findings` are those of one job

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where the gateway is, without `/api/v1`."""
        return self._http.url

    def close(self) -> None:
        self._http.close()

    def workers(self) -> list[WorkerView]:
        """Return the workers that said something of themselves in the last seconds."""
        return self._http.ask(Items[WorkerView], "GET", "workers").items
