"""Webhooks after the Standard Webhooks specification (standardwebhooks.com): a signed POST of JSON.

The body is `{"type", "timestamp", "data"}`, the same bytes at every attempt; the header `traceparent` (W3C) names the
job's trace. Redirects are not followed, proxies of the environment are not used, and the receiver's answer counts by
its status; at most 4 KiB of a refusal are read.
"""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import time
from binascii import Error as Base64Error
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpcore2
from opentelemetry.trace import SpanKind
from standardwebhooks import Webhook

from shared import policy, telemetry
from shared.contracts.alert import AlertNotice
from shared.contracts.notice import Notice
from shared.egress import destination
from shared.errors import External, InvalidInput, Permanent, Security, Temporary
from shared.notification import endpoint
from shared.notification.egress import Egress
from shared.notification.endpoint import Endpoint, literal
from shared.policy import TargetRefused
from shared.policy.reach import OWN_RULE
from shared.redaction import shown
from shared.settings import Settings

SCHEMES = endpoint.SCHEMES
ANSWER_LIMIT = 4096  # bytes read of a refusal
RETRY_AFTER_LIMIT_S = 86_400.0
SECRET_BYTES = range(24, 65)  # what Standard Webhooks allows
LEAST_ERROR = 400  # the status from which on a client's span is an error, by OpenTelemetry's conventions
_PORTS = {"http": 80, "https": 443}
_BROKEN = (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError)


class ReceiverGone(Permanent):
    """410: the receiver wants no more; this destination should be switched off."""


class ReceiverRefused(Permanent):
    """The receiver's answer will be the same next time."""


class ReceiverBusy(External):
    """429 or 5xx. `retry_after_s` is set when the receiver said how long to wait."""


class ReceiverUntrusted(External):
    """TLS with the receiver failed, most often because of its certificate."""


class PrivateAddress(Security):
    """The host has an address to which nothing is sent. The address is not named. rule: see TargetRefused."""

    rule = ""


class ReceiverUnreachable(Temporary):
    """No connection, or it ended before an answer came."""


@dataclass(frozen=True)
class Answer:
    """What the receiver said. `text` is the beginning of a refusal, on one line."""

    status: int
    retry_after: str = ""
    text: str = ""


def check(destination: str, settings: Settings) -> None:
    """Raise InvalidInput when the URL or the secret cannot be used, PrivateAddress for a URL that spells a refused one.

    Names are resolved and judged by `deliver`, at the time of the connection.
    """
    to = endpoint.parse(destination)
    if (written := literal(to.host)) is not None:
        _judge(to, str(written), settings)
    if to.scheme == "http" and settings.environment == "production" and not settings.notify_private_addresses:
        raise InvalidInput("The webhook goes over plain HTTP, in production.", cure="Give an https:// URL.")
    _signer(settings)


def deliver(destination: str, notice: Notice | AlertNotice, *, key: str, settings: Settings) -> str:
    """POST `notice` once and return the status and the time it took, e.g. `204 in 0.12 s`.

    Raises ReceiverGone (410), ReceiverBusy (429, 5xx), ReceiverRefused (any other answer), ReceiverUnreachable,
    ReceiverUntrusted, TargetUnresolvable, ResolverAway, PrivateAddress, and what `check` raises.
    """
    check(destination, settings)
    body = payload(notice)
    started = time.monotonic()
    answer = _post(endpoint.parse(destination), _signature(key, body, settings), body, settings)
    if failure := judge(answer, shown(destination)):
        raise failure
    return f"{answer.status} in {time.monotonic() - started:.2f} s"


def payload(notice: Notice | AlertNotice) -> bytes:
    """Return the body: the notice under `data`, its type and the time of the fact beside it."""
    data = notice.model_dump(mode="json", exclude={"type"})
    return json.dumps({"type": notice.type, "timestamp": data["finished_at"], "data": data}).encode()


def judge(answer: Answer, receiver: str) -> Permanent | External | None:
    """Return the failure that `answer` means, None when it is a success. receiver: what may be shown of it."""
    said = f"{receiver} answered {answer.status}{f': {answer.text}' if answer.text else ''}"
    if 200 <= answer.status < 300:
        return None
    if answer.status == 410:
        return ReceiverGone(said, cure="Remove this destination: its receiver is gone for good.")
    if answer.status == 429 or answer.status >= 500:
        busy = ReceiverBusy(said, cure="Repair the receiver; it is tried a few times, then told as not delivered.")
        busy.retry_after_s = retry_after_s(answer.retry_after, datetime.now(UTC))
        return busy
    if 300 <= answer.status < 400:
        return ReceiverRefused(said, cure="Give the final address; redirects are not followed.")
    return ReceiverRefused(said, cure="Check the URL, and that the receiver has the same webhook secret.")


def retry_after_s(value: str, now: datetime) -> float | None:
    """Return the seconds that a `Retry-After` header asks for (RFC 9110, 10.2.3), at most a day; None for none."""
    if value.isascii() and value.isdigit():
        return min(float(value[:9]), RETRY_AFTER_LIMIT_S)
    try:
        at = parsedate_to_datetime(value)
        wait_s = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max(wait_s, 0.0), RETRY_AFTER_LIMIT_S)


def _post(to: Endpoint, headers: dict[bytes | str, bytes | str], body: bytes, settings: Settings) -> Answer:
    port = to.port or _PORTS[to.scheme]  # path and query are left out: they may be the receiver's secret
    said: dict[str, str | int] = {"server.address": to.host, "server.port": port, "url.scheme": to.scheme}
    with telemetry.span("POST", {"http.request.method": "POST", **said}, kind=SpanKind.CLIENT) as span:
        answer = _exchange(to, headers, body, settings)
        span.set_attribute("http.response.status_code", answer.status)
        if answer.status >= LEAST_ERROR:
            telemetry.fail(span, str(answer.status))
        return answer


def _exchange(to: Endpoint, headers: dict[bytes | str, bytes | str], body: bytes, settings: Settings) -> Answer:
    url = httpcore2.URL(scheme=to.scheme, host=to.host, port=to.port, target=to.target)
    headers["host"] = to.authority
    if to.authorization:
        headers["authorization"] = to.authorization
    if trace := telemetry.traceparent():
        headers["traceparent"] = trace
    within = policy.webhooks(private=settings.notify_private_addresses)
    egress = Egress(within, timeout_s=settings.notify_timeout_s)
    try:
        with (
            httpcore2.ConnectionPool(ssl_context=ssl.create_default_context(), network_backend=egress) as pool,
            pool.stream("POST", url, headers=headers, content=body) as response,
        ):
            text = "" if 200 <= response.status < 300 else _excerpt(response)
            return Answer(response.status, _header(response, b"retry-after"), text)
    except TargetRefused as exc:
        raise _private(to, exc) from exc
    except _BROKEN as exc:
        raise _unreachable(to.host, exc) from exc


def _judge(to: Endpoint, address: str, settings: Settings) -> None:
    try:
        where = destination(address, policy.webhooks(private=settings.notify_private_addresses), to.host)
        where.at(to.port or _PORTS[to.scheme])
    except TargetRefused as exc:
        raise _private(to, exc) from exc


def _private(to: Endpoint, exc: TargetRefused) -> PrivateAddress:
    """Return the refusal of a receiver. Which address it has is an inside matter."""
    if exc.rule == OWN_RULE:
        made = PrivateAddress(f"The webhook host {to.host} is this installation itself.", cure="Give another receiver.")
    else:
        made = PrivateAddress(
            f"The webhook host {to.host} has a private, local or reserved address.",
            cure="Give a host on the Internet, or set VEDETTE_NOTIFY_PRIVATE_ADDRESSES=true on the notify service.",
        )
    made.rule = exc.rule
    return made


def _signature(key: str, body: bytes, settings: Settings) -> dict[bytes | str, bytes | str]:
    now = datetime.now(UTC)
    return {
        "content-type": "application/json",
        "user-agent": "Vedette",
        "webhook-id": key,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": _signer(settings).sign(key, now, body.decode()),
    }


def _signer(settings: Settings) -> Webhook:
    secret = settings.webhook_secret.get_secret_value()
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (Base64Error, ValueError):
        key = b""
    if len(key) not in SECRET_BYTES:
        what = "is not 24 to 64 bytes in base64" if secret else "is not set, and webhooks are always signed"
        cure = 'Set it to the output of: echo "whsec_$(openssl rand -base64 32)"'
        raise InvalidInput(f"VEDETTE_WEBHOOK_SECRET {what}.", cure=cure)
    return Webhook(key)


def _header(response: httpcore2.Response, name: bytes) -> str:
    return next((value.decode("latin-1").strip() for key, value in response.headers if key.lower() == name), "")


def _excerpt(response: httpcore2.Response) -> str:
    read = b""
    # The status already says what happened; a body that breaks off changes nothing.
    with contextlib.suppress(*_BROKEN):
        for chunk in response.iter_stream():
            read += chunk
            if len(read) >= ANSWER_LIMIT:
                break
    text = read[:ANSWER_LIMIT].decode("utf-8", "replace")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:160]


def _unreachable(host: str, exc: Exception) -> Temporary | External:
    cause = exc.args[0] if exc.args else None  # httpcore2 keeps the socket's own error there
    if isinstance(cause, ssl.SSLError):
        why = getattr(cause, "verify_message", "") or cause.reason or "the handshake failed"
        cure = "Renew the receiver's certificate, or trust its issuer on this machine."
        return ReceiverUntrusted(f"TLS with {host} failed: {why}.", cure=cure)
    why = "no answer in time" if isinstance(exc, httpcore2.TimeoutException) else str(exc) or type(exc).__name__
    return ReceiverUnreachable(f"{host} was not reached: {why}.", cure="Check that the receiver is up.")
