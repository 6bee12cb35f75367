"""Log lines of jobs: what is kept of one, without secrets and without end. Lines that are of no job are not."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import structlog

from shared.contracts.logs import MAX_LINE
from shared.text import kept

Keep = Callable[[str, str, dict[str, Any]], None]  # organisation, job, line

_BOUND = ("job_id", "org_id", "stage", "attempt", "trace_id")  # said beside the fields
_APART = {*_BOUND, "event", "level", "timestamp", "exc_info", "exception", "service", "stack_info"}
_MAX_TRACE = 4 * MAX_LINE  # characters of a traceback, its end
_BEYOND = 1024  # characters read behind, or before, those that are kept: a secret that a cut went through is in them
_HEADER = r"(?i)(?:(?<![a-z0-9])|(?<=\\[nrt]))"  # where the name of one begins; also behind a line break that is spelt
_HEADERS = (
    (  # a header's whole value: up to the quote that encloses it with its name, or else to the end of the line
        re.compile(
            rf"{_HEADER}(?:(?<=([\"'])))?((?:proxy-|set-)?(?:authorization|cookie)[ \t]{{0,8}}[:=][ \t]{{0,8}})"
            r"(?(1)(?:\\.|(?!\1)[^\\\n])++|[^\n]+)"
        ),
        r"\2***",
    ),
    (  # as JSON, a dict or a list of pairs has it: what is in quotes, or all that a bracket may enclose
        re.compile(
            rf"{_HEADER}((?:authorization|cookie)[\"'][ \t]{{0,8}}[:=,][ \t]{{0,8}})"
            r"(?:(b?([\"']))(?:\\.|(?!\3)[^\\\n])*+|[\[({\\][^\n]*|[^\s,;)}\]]+)"
        ),
        r"\1\2***",
    ),
    (  # and JSON in a text of JSON
        re.compile(rf"{_HEADER}((?:authorization|cookie)\\{{1,8}}[\"'][ \t]{{0,8}}[:=,])[^\n]+"),
        r"\1***",
    ),
)
_SECRETS = (
    (re.compile(r"(?<=://)[^/\s]+(?=@)"), "***"),  # a URL's user and password
    (re.compile(r"(?<=[?&])([^=&#\s]{1,64})=[^&#\s]+"), r"\1=***"),  # its query
    (re.compile(r"\b(vd[a-z]_[A-Za-z0-9]{1,12})[A-Za-z0-9_-]+"), r"\1***"),  # keys and invitations of ours
    (re.compile(r"(?i)\b(bearer|basic|whsec_)(\s*)[A-Za-z0-9+/=._~-]{8,}"), r"\1\2***"),
    (re.compile(r"\beyJ[\w-]{8,512}+\.[\w-]++\.[\w-]+"), "***"),  # a JWT; without bounds its like takes minutes
    (  # also as a part of a name (`VEDETTE_TOKEN=`), and as JSON or the text of a dict has it
        re.compile(
            r"(?i)(?<![a-z0-9])(pass(?:word|wd)?|secret|token|api[-_]?key|master[-_]?key)(?![a-z0-9])"
            r"([\"']?\s{0,8}[=:]\s{0,8}[\"']?)[^\s,;&\"']+"
        ),
        r"\1\2***",
    ),
)


class LineKeeper(logging.Handler):
    """Gives every line of a job, information or worse, to `keep`; as structlog and other libraries write them."""

    def __init__(self, keep: Keep) -> None:
        super().__init__(logging.INFO)
        self._keep = keep

    def emit(self, record: logging.LogRecord) -> None:
        said = dict(record.msg) if isinstance(record.msg, dict) else _foreign(record)
        org_id, job_id = said.get("org_id"), said.get("job_id")
        if not isinstance(org_id, str) or not isinstance(job_id, str) or not (org_id and job_id):
            return
        try:
            self._keep(org_id, job_id, _line(record, said))
        except Exception:  # noqa: BLE001  a value whose own text fails must not end the work that was to be told of
            self.handleError(record)


def redacted(text: str) -> str:
    """Return `text` without what looks like a secret: passwords in URLs, tokens, keys, headers that hold them."""
    folded = text.lower()
    has_headers = "authorization" in folded or "cookie" in folded  # asked first: few have, and patterns take longer
    for pattern, instead in (*_HEADERS, *_SECRETS) if has_headers else _SECRETS:
        text = pattern.sub(instead, text)
    return text


def _foreign(record: logging.LogRecord) -> dict[str, Any]:
    return {**structlog.contextvars.get_contextvars(), "event": record.getMessage(), "logger": record.name}


def _line(record: logging.LogRecord, said: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a line: what `contracts.logs.LineRecord` reads."""
    made: dict[str, Any] = {
        "at_ns": int(record.created * 1e9),
        "level": "error" if record.levelno >= logging.ERROR else record.levelname.lower(),
        "event": _text(str(said.get("event", "")), MAX_LINE),
        "stage": str(said.get("stage", ""))[:32],
        "trace_id": str(said.get("trace_id", ""))[:32],
        "fields": _fields(said),
    }
    if isinstance(attempt := said.get("attempt"), int):
        made["attempt"] = attempt
    if trace := _trace(record, said):
        made["exception"] = _end(trace)
    return made


def _fields(said: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    left = MAX_LINE
    for key, value in said.items():
        if key in _APART or key.startswith("_") or value is None:
            continue
        is_plain = isinstance(value, (bool, int, float))
        plain = value if is_plain else "***" if _is_secret(key) else _text(str(value), max(left, 0))
        left -= len(str(plain)) + len(key)
        made[key[:64]] = plain
        if left <= 0:
            break
    return made


@lru_cache(1000)
def _is_secret(name: str) -> bool:
    return redacted(said := f"{name}=x") != said


def _trace(record: logging.LogRecord, said: dict[str, Any]) -> str:
    info = record.exc_info or said.get("exc_info")
    if info is True:  # as `log.exception` says it; the line is kept while it is handled
        info = sys.exc_info()
    if isinstance(info, BaseException):
        info = (type(info), info, info.__traceback__)
    if not isinstance(info, tuple) or info[0] is None:
        return str(said.get("exception", ""))
    return logging.Formatter().formatException(info)


def beginning(text: str, most: int) -> str:
    """Return up to `most` characters of a text, without what looks like a secret, and without a part of one."""
    found = redacted(text[: most + _BEYOND])
    return found[: max(min(most, len(found) - _BEYOND), 0)] if len(text) > most + _BEYOND else found[:most]


def _end(trace: str) -> str:
    if len(trace) <= _MAX_TRACE + _BEYOND:
        return redacted(kept(trace))[-_MAX_TRACE:]
    found = redacted(kept(trace[-_MAX_TRACE - _BEYOND :]))[_BEYOND:][-_MAX_TRACE:]
    return found.partition("\n")[2] or found  # the cut may have gone through the line of a header


def _text(text: str, most: int) -> str:
    found = beginning(kept(text[: most + 2 * _BEYOND]), most)
    return found if len(text) <= most else f"{found[: max(most - 1, 0)]}…"
