"""Typed client of the gateway. HTTP only; every call has a time-out and a byte limit.

    with Client("http://127.0.0.1:8000", token) as client:
        job = client.submit([Target(host="127.0.0.1")]).jobs[0]
        print(client.wait(job.id, timeout_s=600).score)

Raises the errors of `vedette.refusals`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx2
from pydantic import BaseModel, ValidationError

from shared.contracts.events import Event, EventType
from shared.contracts.finding import Finding
from shared.contracts.job import JobState, JobView
from shared.contracts.observation import Coverage
from shared.contracts.report import ReportView
from shared.contracts.submission import Options, Receipt
from shared.contracts.target import TargetModel
from shared.errors import InvalidInput
from vedette.refusals import AnswerNotUnderstood, Unreachable, WaitTimedOut, refuse, unreachable

TIMEOUT_S = 15.0  # for one answer; the gateway's own limits are shorter
CONNECT_TIMEOUT_S = 5.0
SUBMIT_TIMEOUT_S = 60.0  # 4096 targets are resolved and written
IDLE_S = 45.0  # silence on an event stream; the gateway sends a comment every 15 s
POLL_S = 0.5
MAX_ANSWER = 32 * 1024 * 1024  # bytes; 200 jobs with all their steps are about 1 MB
MAX_REPORT = 64 * 1024 * 1024  # bytes; the store refuses reports above 32 MiB
MAX_PROBLEM = 64 * 1024
MAX_EVENT = 256 * 1024
NO_CONTENT = 204

Model = TypeVar("Model", bound=BaseModel)


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


class Client:
    """The gateway at `url`. Safe to use from several threads; close it, or use it as a context manager."""

    def __init__(self, url: str, token: str = "", *, timeout_s: float = TIMEOUT_S) -> None:
        self.url = _checked(url)
        if not (token.isascii() and token.isprintable()):
            raise InvalidInput(
                "The token has characters that no token has.", cure="Copy it again, without line breaks."
            )
        self._timeout_s = timeout_s
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx2.Client(
            base_url=f"{self.url}/api/v1/",
            headers={**headers, "Accept": "application/json", "User-Agent": "vedette"},
            timeout=httpx2.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
            trust_env=not _is_local(self.url),  # a proxy of the environment cannot reach our own loopback
        )

    def __repr__(self) -> str:
        return f"Client({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def submit(self, targets: Sequence[TargetModel | Mapping[str, Any]], options: Options | None = None) -> Receipt:
        """Submit one job per target, and one per address of a network. Raises RequestWrong naming the bad field."""
        plain = [dict(t) if isinstance(t, Mapping) else t.model_dump(mode="json") for t in targets]
        asked = {"target": plain[0]} if len(plain) == 1 else {"targets": plain}
        body = asked | (options or Options()).model_dump(mode="json")
        return self._ask(Receipt, "POST", "jobs", json=body, timeout=SUBMIT_TIMEOUT_S)

    def job(self, job_id: str) -> JobView:
        """Return one job with its steps. `job_id` may be any unique beginning or end of an id."""
        return self._ask(JobView, "GET", _path("jobs", job_id))

    def jobs(
        self, *, limit: int = 50, cursor: str | None = None, state: JobState | None = None, batch_id: str | None = None
    ) -> JobPage:
        """Return one page of jobs, newest first."""
        asked = {"limit": limit, "cursor": cursor, "state": state, "batch_id": batch_id}
        given = {name: str(value) for name, value in asked.items() if value is not None}
        return self._ask(JobPage, "GET", "jobs", params=given)

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
        return self._ask(_Items[Finding], "GET", _path("jobs", job_id, "findings")).items

    def coverage(self, job_id: str) -> Coverage:
        """Return how much of what was asked was checked."""
        return self._ask(Coverage, "GET", _path("jobs", job_id, "coverage"))

    def timeline(self, job_id: str) -> list[Event]:
        """Return what happened to a job, oldest first."""
        return self._ask(_Items[Event], "GET", _path("jobs", job_id, "timeline")).items

    def reports(self, job_id: str) -> list[ReportView]:
        """Return the finished reports of a job."""
        return self._ask(_Items[ReportView], "GET", _path("jobs", job_id, "reports")).items

    def report(self, job_id: str, form: str) -> ReportFile:
        """Download one report."""
        headers, content = self._fetch(
            "GET", _path("jobs", job_id, "reports", form), MAX_REPORT, headers={"Accept": "*/*"}
        )
        said = Message()
        said["content-disposition"] = headers.get("content-disposition", "")
        return ReportFile(said.get_filename() or f"report.{form}", headers.get("content-type", ""), content)

    def events(self, job_id: str, after: int = 0) -> Iterator[Event]:
        """Yield events of a job as they happen, beginning after event number `after`. Ends when the gateway ends it.

        Progress events have number 0. Raises Unreachable when the stream breaks: go on with the last number seen.
        """
        headers = {"Last-Event-ID": str(after)} if after else {}
        timeout = httpx2.Timeout(self._timeout_s, connect=CONNECT_TIMEOUT_S, read=IDLE_S)
        url = _path("jobs", job_id, "events")
        try:
            with self._http.sse(url, headers=headers, timeout=timeout, max_event_size=MAX_EVENT) as source:
                if not source.response.is_success:
                    refuse(source.response, _read(source.response, MAX_PROBLEM, self._timeout_s))
                if source.response.status_code == NO_CONTENT:
                    return  # the job is over, and its last event was read before
                for told in source:
                    if told.event in _EVENTS and told.data:
                        yield _parsed(Event, told.data)
        except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
            raise unreachable(self.url, exc) from exc

    def wait(self, job_id: str, timeout_s: float | None = None) -> JobView:
        """Return the job when it is over. Raises WaitTimedOut after `timeout_s`; the job then goes on."""
        end = time.monotonic() + timeout_s if timeout_s is not None else float("inf")
        while not (job := self.job(job_id)).state.is_terminal:
            if time.monotonic() >= end:
                raise timed_out(job_id, timeout_s or 0.0)
            time.sleep(min(POLL_S, max(end - time.monotonic(), 0.0)))
        return job

    def _ask(self, model: type[Model], method: str, path: str, **request: Any) -> Model:  # noqa: ANN401
        _, body = self._fetch(method, path, MAX_ANSWER, **request)
        return _parsed(model, body)

    def _fetch(self, method: str, path: str, limit: int, **request: Any) -> tuple[httpx2.Headers, bytes]:  # noqa: ANN401
        try:
            with self._http.stream(method, path, **request) as response:
                body = _read(response, limit, self._timeout_s)
        except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
            raise unreachable(self.url, exc) from exc
        if not response.is_success:
            refuse(response, body)
        return response.headers, body


def timed_out(job_id: str, after_s: float) -> WaitTimedOut:
    """Return the error that says that a job took longer than somebody wanted to wait."""
    return WaitTimedOut(f"Job {job_id[-8:]} is not over after {after_s:g} s.", cure=f"vedette jobs watch {job_id[-8:]}")


class _Items(BaseModel, Generic[Model]):
    items: list[Model]


_EVENTS = frozenset(EventType)


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or 1)
    except ValueError:
        fits = False
    if not fits:
        raise InvalidInput(f"{url[:80]!r} is not the URL of a gateway.", cure="Write it like http://127.0.0.1:8000")
    return url.rstrip("/").removesuffix("/api/v1")


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _path(*pieces: str) -> str:
    return "/".join(quote(piece, safe="") for piece in pieces)


def _read(response: httpx2.Response, limit: int, within_s: float) -> bytes:
    """Return the body. A peer that sends drop by drop is cut off: time-outs of sockets alone would not notice it."""
    end = time.monotonic() + max(within_s, limit / 1_000_000)  # a large report may come at 1 MB/s
    found = bytearray()
    for chunk in response.iter_bytes():
        found += chunk
        if len(found) > limit:
            raise AnswerNotUnderstood(f"The answer of {response.url.host} has more than {limit} bytes.")
        if time.monotonic() > end:
            raise Unreachable(f"{response.url.host} did not finish its answer in time.")
    return bytes(found)


def _parsed(model: type[Model], body: bytes | str) -> Model:
    try:
        return model.model_validate_json(body)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
        where = "/".join(str(part) for part in first["loc"])
        raise AnswerNotUnderstood(
            f"The answer is no {model.__name__} that this version knows: {where} {first['msg']}",
            cure="See that the URL is that of a Vedette gateway, and that both have the same version.",
        ) from None
