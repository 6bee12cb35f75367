"""Jobs over HTTP: submit, look at, follow, and step in."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Any

from pydantic import BaseModel

from shared.contracts.dead_letter import Forecast
from shared.contracts.events import Event
from shared.contracts.finding import Finding
from shared.contracts.job import JobState, JobView, StageName
from shared.contracts.logs import JobLog
from shared.contracts.observation import Coverage
from shared.contracts.operation import BulkCancel, Operation
from shared.contracts.report import ReportOrder, ReportView
from shared.contracts.submission import Options, Receipt
from shared.contracts.target import TargetModel
from shared.contracts.waiting import Explanation
from shared.ids import new_id
from vedette.client.http import Http, Items, given, path
from vedette.refusals import WaitTimedOut

SUBMIT_TIMEOUT_S = 60.0  # 4096 targets are resolved and written
POLL_S = 0.5
MAX_REPORT = 64 * 1024 * 1024  # bytes; the store refuses reports above 32 MiB


class JobPage(BaseModel):
    """Jobs, newest first. `next` is the cursor of the following page."""

    items: list[JobView]
    next: str | None = None


@dataclass(frozen=True)
class ReportFile:
    """A downloaded report. `filename` is what the gateway calls it: not safe to use as a path as it is."""

    filename: str
    media_type: str
    content: bytes


class Jobs:
    """What the client can do with jobs."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def submit(
        self, targets: Sequence[TargetModel | Mapping[str, Any]], options: Options | None = None, key: str = ""
    ) -> Receipt:
        """Submit one job per target, and one per address of a network. Raises RequestWrong naming the bad field.

        key: of a submission that may come again, and then makes nothing; without, this one has its own.
        """
        plain = [dict(t) if isinstance(t, Mapping) else t.model_dump(mode="json") for t in targets]
        asked = {"target": plain[0]} if len(plain) == 1 else {"targets": plain}
        body = asked | (options or Options()).model_dump(mode="json")
        headers = {"Idempotency-Key": key or new_id()}
        return self._http.ask_again(Receipt, "POST", "jobs", json=body, headers=headers, timeout=SUBMIT_TIMEOUT_S)

    def job(self, job_id: str) -> JobView:
        """Return one job with its steps. `job_id` may be any unique beginning or end of an id."""
        return self._http.ask(JobView, "GET", path("jobs", job_id))

    def jobs(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        q: str | None = None,
        state: JobState | None = None,
        batch_id: str | None = None,
    ) -> JobPage:
        """Return one page of jobs, newest first. q: a query such as `state:failed kind:host`."""
        asked = given(limit=limit, cursor=cursor, q=q, state=state, batch_id=batch_id)
        return self._http.ask(JobPage, "GET", "jobs", params=asked)

    def batch(self, batch_id: str) -> list[JobView]:
        """Return all jobs of a batch, in the order of their submission."""
        found: list[JobView] = []
        cursor: str | None = None
        while True:
            page = self.jobs(limit=200, cursor=cursor, batch_id=batch_id)
            found += page.items
            if not page.next or not page.items:
                return found[::-1]
            cursor = page.next

    def findings(self, job_id: str) -> list[Finding]:
        """Return the findings of a job, worst first; by `change` also those of earlier scans: fixed, or standing."""
        return self._http.ask(Items[Finding], "GET", path("jobs", job_id, "findings")).items

    def coverage(self, job_id: str) -> Coverage:
        """Return how much of what was asked was checked."""
        return self._http.ask(Coverage, "GET", path("jobs", job_id, "coverage"))

    def timeline(self, job_id: str) -> list[Event]:
        """Return what happened to a job, oldest first."""
        return self._http.ask(Items[Event], "GET", path("jobs", job_id, "timeline")).items

    def log(self, job_id: str, asked: Mapping[str, str | int | None], wait_s: int = 0) -> JobLog:
        """Return lines of a job's log; wait up to `wait_s` for some. asked: after, level, stage, limit."""
        headers = {"Prefer": f"wait={wait_s}"} if wait_s else None
        return self._http.ask(JobLog, "GET", path("jobs", job_id, "logs"), params=given(**asked), headers=headers)

    def reports(self, job_id: str) -> list[ReportView]:
        """Return the finished reports of a job."""
        return self._http.ask(Items[ReportView], "GET", path("jobs", job_id, "reports")).items

    def all_reports(self, *, limit: int = 50, cursor: str | None = None, form: str | None = None) -> Items[ReportView]:
        """Return one page of the reports of all jobs, newest first. form: only of this format."""
        asked = given(limit=limit, cursor=cursor, format=form)
        return self._http.ask(Items[ReportView], "GET", "reports", params=asked)

    def order_report(self, job_id: str, form: str) -> ReportOrder:
        """Have a report of a job that is over made in a further format. Raises StateForbids while it runs."""
        asked: dict[str, Any] = {"json": {"format": form}, "headers": {"Idempotency-Key": new_id()}}
        return self._http.ask_again(ReportOrder, "POST", path("jobs", job_id, "reports"), **asked)

    def report_order(self, job_id: str, form: str) -> ReportOrder:
        """Return how far a report is that was asked for."""
        return self._http.ask(ReportOrder, "GET", path("jobs", job_id, "reports", form, "order"))

    def report(self, job_id: str, form: str) -> ReportFile:
        """Download one report."""
        headers, content = self._http.fetch(
            "GET", path("jobs", job_id, "reports", form), MAX_REPORT, headers={"Accept": "*/*"}
        )
        said = Message()
        said["content-disposition"] = headers.get("content-disposition", "")
        return ReportFile(said.get_filename() or f"report.{form}", headers.get("content-type", ""), content)

    def events(self, job_id: str, after: int = 0) -> Iterator[Event]:
        """Yield events of a job as they happen, beginning after event number `after`. Ends when the gateway ends it.

        Progress events have number 0. Raises Unreachable when the stream breaks: go on with the last number seen.
        """
        headers = {"Last-Event-ID": str(after)} if after else {}
        return self._http.events(path("jobs", job_id, "events"), headers)

    def wait(self, job_id: str, timeout_s: float | None = None) -> JobView:
        """Return the job when it is over. Raises WaitTimedOut after `timeout_s`; the job then goes on."""
        end = time.monotonic() + timeout_s if timeout_s is not None else float("inf")
        while not (job := self.job(job_id)).state.is_terminal:
            if time.monotonic() >= end:
                raise timed_out(job_id, timeout_s or 0.0)
            time.sleep(min(POLL_S, max(end - time.monotonic(), 0.0)))
        return job

    def cancel(self, job_id: str) -> JobView:
        """Cancel a job; one that runs is `cancelling` until its stage has stopped. Raises StateForbids: it is over."""
        return self._act(job_id, "cancel")

    def cancel_many(self, asked: BulkCancel) -> Operation | Forecast:
        """Cancel jobs by query, ids or batch, as an operation; a dry run returns the forecast instead."""
        return self._http.bulk("jobs:cancel", asked)

    def retry(self, job_id: str) -> JobView:
        """Revive a job that failed, from the first stage that did not succeed. Raises StateForbids."""
        return self._act(job_id, "retry")

    def resume(self, job_id: str, stage: StageName) -> JobView:
        """Revive a job that is over, from `stage` on. Raises StateForbids."""
        return self._act(job_id, "resume", {"stage": stage})

    def rerun(self, job_id: str) -> JobView:
        """Submit the same request again, and return the new job. Raises RequestWrong when it is no longer allowed."""
        return self._act(job_id, "rerun")

    def explain(self, job_id: str) -> Explanation:
        """Return what holds a job up, or that nothing does."""
        return self._http.ask(Explanation, "GET", path("jobs", job_id, "explain"))

    def _act(self, job_id: str, verb: str, body: Mapping[str, Any] | None = None) -> JobView:
        return self._http.ask(JobView, "POST", f"{path('jobs', job_id)}:{verb}", json=dict(body) if body else None)


def timed_out(job_id: str, after_s: float) -> WaitTimedOut:
    """Return the error that says that a job took longer than somebody wanted to wait."""
    return WaitTimedOut(
        f"Job {job_id[-8:]} is not over after {after_s:g} s.", cure=f"vedette jobs explain {job_id[-8:]}"
    )
