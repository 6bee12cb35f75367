"""One gateway over HTTP: addresses, time-outs, byte limits, and answers read as models."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlsplit

import httpx2
from pydantic import BaseModel, ValidationError

from shared.contracts.dead_letter import BulkReplay, Forecast
from shared.contracts.events import Event, EventType
from shared.contracts.live import LiveMessage
from shared.contracts.operation import BulkCancel, Operation
from shared.contracts.triage import BulkDiscard
from shared.errors import InvalidInput
from vedette.refusals import AnswerNotUnderstood, Unreachable, refuse, unreachable

TIMEOUT_S = 15.0  # for one answer; the gateway's own limits are shorter
CONNECT_TIMEOUT_S = 5.0
IDLE_S = 45.0  # silence on an event stream; the gateway sends a comment every 15 s
MAX_ANSWER = 32 * 1024 * 1024  # bytes; 200 jobs with all their steps are about 1 MB
MAX_PROBLEM = 64 * 1024
MAX_EVENT = 256 * 1024
MAX_MESSAGE = 4 * 1024 * 1024  # a snapshot holds 50 jobs with all their steps
MAX_LINE = 4 * 1024 * 1024  # bytes of one line of an export: a dead letter with its payload
PAGE = 200  # items of a list, asked for at a time
MAX_ITEMS = 100_000
NO_CONTENT = 204
ORGANISATION = "Vedette-Organisation"

Model = TypeVar("Model", bound=BaseModel)


class Items(BaseModel, Generic[Model]):
    """A list, or a page of one. `next` is the cursor of the following page."""

    items: list[Model]
    next: str | None = None


@dataclass(frozen=True)
class Answer:
    """What the gateway answered."""

    response: httpx2.Response
    body: bytes

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def headers(self) -> httpx2.Headers:
        return self.response.headers

    def check(self) -> None:
        """Raise the error that the answer stands for, if it is one."""
        if not self.response.is_success:
            refuse(self.response, self.body)


class Http:
    """The gateway at `url`. Safe to use from several threads."""

    def __init__(self, url: str, token: str | Callable[[], str], timeout_s: float, *, org: str = "") -> None:
        self.url = _checked(url)
        self.timeout_s = timeout_s
        self._http = httpx2.Client(
            base_url=f"{self.url}/api/v1/",
            auth=_Bearer(token) if token else None,
            headers={"Accept": "application/json", "User-Agent": "vedette"} | ({ORGANISATION: org} if org else {}),
            timeout=httpx2.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
            verify=not _is_plain(self.url),  # certificates of the world that nobody shows: 20 ms of every command
            trust_env=not _is_local(self.url),  # a proxy of the environment cannot reach our own loopback
        )

    def close(self) -> None:
        self._http.close()

    def ask(self, model: type[Model], method: str, path: str, **request: Any) -> Model:  # noqa: ANN401
        """Return the answer as a model."""
        _, body = self.fetch(method, path, MAX_ANSWER, **request)
        return parsed(model, body)

    def every(self, model: type[Model], path: str) -> list[Model]:
        """Return all items of a list, asked for page by page. Raises AnswerNotUnderstood for one without an end."""
        found: list[Model] = []
        params = {"limit": str(PAGE)}
        while len(found) < MAX_ITEMS:
            page = self.ask(Items[model], "GET", path, params=params)  # type: ignore[valid-type]
            found += page.items
            if not page.next or not page.items:
                return found
            params["cursor"] = page.next
        raise AnswerNotUnderstood(f"The list of {self.url} has more than {MAX_ITEMS} items.")

    def ask_again(self, model: type[Model], method: str, path: str, **request: Any) -> Model:  # noqa: ANN401
        """As `ask`, once more where the answer was lost: only for what has an idempotency key."""
        try:
            return self.ask(model, method, path, **request)
        except Unreachable as exc:
            if isinstance(exc.__cause__, httpx2.ConnectError):
                raise  # it never got there
            return self.ask(model, method, path, **request)

    def bulk(self, path: str, asked: BulkReplay | BulkDiscard | BulkCancel) -> Operation | Forecast:
        """Ask for an operation, or in a dry run for its forecast."""
        body = asked.model_dump(mode="json")
        path = f"./{path}"  # else `dlq:` is taken for the scheme of a URL
        if asked.dry_run:
            return self.ask(Forecast, "POST", path, json=body)
        return self.ask(Operation, "POST", path, json=body)

    def fetch(self, method: str, path: str, limit: int, **request: Any) -> tuple[httpx2.Headers, bytes]:  # noqa: ANN401
        """Return headers and body of an answer of at most `limit` bytes."""
        answer = self.answer(method, path, limit, **request)
        answer.check()
        return answer.headers, answer.body

    def answer(self, method: str, path: str, limit: int, **request: Any) -> Answer:  # noqa: ANN401
        """Return an answer of at most `limit` bytes, whatever its status."""
        try:
            with self._http.stream(method, path, **request) as response:
                return Answer(response, _read(response, limit, self.timeout_s))
        except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
            raise unreachable(self.url, exc) from exc

    def lines(self, model: type[Model], path: str, params: Mapping[str, str]) -> Iterator[Model]:
        """Yield the lines of a long answer, each a model, as they come."""
        try:
            with self._http.stream("GET", path, params=params, headers={"Accept": "application/jsonl"}) as response:
                if not response.is_success:
                    refuse(response, _read(response, MAX_PROBLEM, self.timeout_s))
                for line in _lines(response):
                    yield parsed(model, line)
        except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
            raise unreachable(self.url, exc) from exc

    def pieces(self, path: str, params: Mapping[str, str]) -> Iterator[str]:
        """Yield the text of a long answer as it comes."""
        try:
            with self._http.stream("GET", path, params=params, headers={"Accept": "*/*"}) as response:
                if not response.is_success:
                    refuse(response, _read(response, MAX_PROBLEM, self.timeout_s))
                yield from response.iter_text()
        except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
            raise unreachable(self.url, exc) from exc

    def events(self, path: str, headers: Mapping[str, str]) -> Iterator[Event]:
        """Yield the events of a stream until the gateway ends it."""
        for name, data in self._told(path, MAX_EVENT, headers=headers):
            if name in _EVENTS:
                yield parsed(Event, data)

    def messages(self, path: str, params: Mapping[str, str]) -> Iterator[LiveMessage]:
        """Yield the messages of a stream of topics until the gateway ends it."""
        for _, data in self._told(path, MAX_MESSAGE, params=params):
            yield parsed(LiveMessage, data)

    def _told(self, path: str, limit: int, **request: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401
        """Yield name and data of Server-Sent Events, of at most `limit` bytes each."""
        timeout = httpx2.Timeout(self.timeout_s, connect=CONNECT_TIMEOUT_S, read=IDLE_S)
        try:
            with self._http.sse(path, timeout=timeout, max_event_size=limit, **request) as source:
                if not source.response.is_success:
                    refuse(source.response, _read(source.response, MAX_PROBLEM, self.timeout_s))
                if source.response.status_code == NO_CONTENT:
                    return  # the job is over, and its last event was read before
                yield from ((told.event, told.data) for told in source if told.data)
        except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
            raise unreachable(self.url, exc) from exc


def path(*pieces: str) -> str:
    """Return a path of pieces that cannot leave their place."""
    return "/".join(quote(piece, safe="") for piece in pieces)


def given(**asked: object) -> dict[str, str]:
    """Return those query parameters that are not None."""
    return {name: str(value) for name, value in asked.items() if value is not None}


_EVENTS = frozenset(EventType)


class _Bearer(httpx2.Auth):
    """Sends the token that holds at this moment."""

    def __init__(self, token: str | Callable[[], str]) -> None:
        self._token = token
        if isinstance(token, str):
            _check(token)

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response]:
        token = self._token if isinstance(self._token, str) else _check(self._token())
        request.headers["Authorization"] = f"Bearer {token}"
        yield request


def _check(token: str) -> str:
    if not (token.isascii() and token.isprintable()):
        raise InvalidInput("The token has characters that no token has.", cure="Copy it again, without line breaks.")
    return token


def _checked(url: str) -> str:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or 1)
    except ValueError:
        fits = False
    if not fits:
        raise InvalidInput(f"{url[:80]!r} is not the URL of a gateway.", cure="Write it like http://127.0.0.1:8000")
    return url.rstrip("/").removesuffix("/api/v1")


def _is_plain(url: str) -> bool:
    """Whether nothing on the way to it speaks TLS: no proxy either."""
    return _is_local(url) and urlsplit(url).scheme == "http"


def _is_local(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


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


def _lines(response: httpx2.Response) -> Iterator[bytes]:
    rest = b""
    for chunk in response.iter_bytes():
        *whole, rest = (rest + chunk).split(b"\n")
        yield from filter(None, whole)
        if len(rest) > MAX_LINE:
            raise AnswerNotUnderstood(f"A line of {response.url.host} has more than {MAX_LINE} bytes.")
    if rest:
        yield rest


def parsed(model: type[Model], body: bytes | str) -> Model:
    """Return `body` as a model. Raises AnswerNotUnderstood."""
    try:
        return model.model_validate_json(body)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
        where = "/".join(str(part) for part in first["loc"])
        raise AnswerNotUnderstood(
            f"The answer is no {model.__name__} that this version knows: {where} {first['msg']}",
            cure="See that the URL is that of a Vedette gateway, and that both have the same version.",
        ) from None
