from __future__ import annotations

import base64
import json
import pickle
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from shared import telemetry
from shared.contracts.notice import Notice
from shared.errors import External, InvalidInput, Permanent, Temporary
from shared.notification.channels import webhook
from shared.notification.channels.webhook import PrivateAddress
from shared.settings import Settings
from tests.spans import caught

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def settings(**changes: Any) -> Settings:
    return Settings(**{"webhook_secret": SECRET, "notify_private_addresses": True, "notify_timeout_s": 5.0, **changes})


def deliver(receiver: Any, notice: Notice, path: str = "/hooks/abc", **changes: Any) -> str:
    url = f"http://127.0.0.1:{receiver.port}{path}"
    return webhook.deliver(url, notice, key="msg_1", settings=settings(**changes))


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Make the resolver give `addresses` for receiver.example; returns the list of names it was asked for."""
    real = socket.getaddrinfo

    def name(*addresses: str) -> list[str]:
        asked: list[str] = []

        def resolve(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
            if host != "receiver.example":
                return real(host, port, *args, **kwargs)
            asked.append(host)
            return [answer for address in addresses for answer in real(address, port, type=socket.SOCK_STREAM)]

        monkeypatch.setattr(socket, "getaddrinfo", resolve)
        return asked

    return name


def test_the_receiver_can_verify_the_signature_with_the_reference_library(receiver: Any, notice: Notice) -> None:
    said = deliver(receiver, notice)
    [request] = receiver.requests
    body = Webhook(SECRET).verify(request.body, request.headers)
    assert body["type"] == "job.finished"
    assert body["data"]["grade"] == "C"
    assert body["timestamp"] == body["data"]["finished_at"] == "2026-11-22T07:30:00Z"
    assert request.headers["webhook-id"] == "msg_1"
    assert said.startswith("204 in 0.")


def test_every_attempt_has_the_same_id_and_body(receiver: Any, notice: Notice) -> None:
    deliver(receiver, notice)
    deliver(receiver, notice)
    first, second = receiver.requests
    assert (first.body, first.headers["webhook-id"]) == (second.body, second.headers["webhook-id"])


def test_the_trace_of_the_job_goes_along(receiver: Any, notice: Notice) -> None:
    with caught() as spans, telemetry.span("test", traceparent=TRACE):
        deliver(receiver, notice)
    [request] = receiver.requests
    post, _ = spans
    assert request.headers["traceparent"].split("-")[1:3] == [TRACE.split("-")[1], f"{post.context.span_id:016x}"]


def test_a_delivery_is_a_span_without_the_path_that_may_be_a_secret(receiver: Any, notice: Notice) -> None:
    with caught() as spans:
        deliver(receiver, notice)
    [post] = spans
    assert dict(post.attributes or {}) == {
        "http.request.method": "POST",
        "http.response.status_code": 204,
        "server.address": "127.0.0.1",
        "server.port": receiver.port,
        "url.scheme": "http",
    }


def test_user_and_password_of_the_url_become_basic_authentication(receiver: Any, notice: Notice) -> None:
    url = f"http://me:p%40ss@127.0.0.1:{receiver.port}/h?token=t%2F1&x=ü"
    webhook.deliver(url, notice, key="k", settings=settings())
    [request] = receiver.requests
    assert base64.b64decode(request.headers["authorization"].removeprefix("Basic ")) == b"me:p@ss"
    assert request.path == "/h?token=t%2F1&x=%C3%BC"


def test_410_is_permanent_and_a_class_of_its_own(receiver: Any, notice: Notice) -> None:
    receiver.answers(410)
    with pytest.raises(webhook.ReceiverGone, match="answered 410") as caught:
        deliver(receiver, notice)
    assert isinstance(caught.value, Permanent)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_receiver_is_tried_again_after_what_it_asks_for(receiver: Any, notice: Notice, status: int) -> None:
    receiver.answers(status, Retry_After="17")
    with pytest.raises(External) as caught:
        deliver(receiver, notice)
    assert caught.value.retry_after_s == 17.0


def test_a_refusal_says_what_the_receiver_said_and_hides_the_secrets_of_the_url(receiver: Any, notice: Notice) -> None:
    receiver.answers(400, b"bad\r\n\x1b[31m signature")
    with pytest.raises(webhook.ReceiverRefused) as caught:
        deliver(receiver, notice, "/T0123456789secret?token=hidden")
    assert "answered 400: bad [31m signature" in caught.value.message
    assert "secret" not in caught.value.message
    assert "hidden" not in caught.value.message


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(receiver: Any, notice: Notice, status: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as inner:
        inner.settimeout(0)
        receiver.answers(status, Location=f"http://127.0.0.1:{inner.getsockname()[1]}/latest/meta-data/")
        with pytest.raises(webhook.ReceiverRefused, match=f"answered {status}"):
            deliver(receiver, notice)
        assert len(receiver.requests) == 1
        with pytest.raises(BlockingIOError):
            inner.accept()


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "127.0.0.9"])
def test_the_installations_own_services_are_told_nothing(
    receiver: Any, notice: Notice, fresh_settings: pytest.MonkeyPatch, host: str
) -> None:
    fresh_settings.setenv("VEDETTE_GATEWAY_PORT", str(receiver.port))
    with pytest.raises(PrivateAddress, match="this installation itself") as caught:
        webhook.deliver(f"http://{host}:{receiver.port}/", notice, key="k", settings=settings())
    assert caught.value.rule == "own-service"
    assert receiver.requests == []


def test_at_most_4_kib_of_an_endless_refusal_are_read(receiver: Any, notice: Notice) -> None:
    sent = 0

    def endless(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.send_response(400)
        handler.end_headers()
        while sent < 64 * 1024 * 1024:
            handler.wfile.write(b"x" * 65536)
            sent += 65536

    receiver.answer = endless
    with pytest.raises(webhook.ReceiverRefused) as caught:
        deliver(receiver, notice)
    assert len(caught.value.message) < 300
    assert sent < 64 * 1024 * 1024  # the client hung up; what the sockets buffer is the rest


def test_a_body_that_never_ends_does_not_spoil_a_success(receiver: Any, notice: Notice) -> None:
    def hang(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000000")
        handler.end_headers()

    receiver.answer = hang
    assert deliver(receiver, notice).startswith("200 in")


def test_a_receiver_that_drips_is_given_up_at_the_deadline(receiver: Any, notice: Notice) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        for _ in range(100):
            handler.wfile.write(b"H")
            handler.wfile.flush()
            time.sleep(0.05)

    receiver.answer = drip
    started = time.monotonic()
    with pytest.raises(webhook.ReceiverUnreachable, match="in time"):
        deliver(receiver, notice, notify_timeout_s=0.4)
    assert time.monotonic() - started < 2.0


@pytest.mark.parametrize("garbage", [b"\x00\xff\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"SSH-2.0-x\r\n", b""])
def test_what_is_not_http_is_a_failure_to_reach(receiver: Any, notice: Notice, garbage: bytes) -> None:
    receiver.answer = lambda handler: handler.wfile.write(garbage)
    with pytest.raises(webhook.ReceiverUnreachable):
        deliver(receiver, notice)


def test_a_closed_port_is_temporary(receiver: Any, notice: Notice) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Temporary, match="refused"):
        webhook.deliver(f"http://127.0.0.1:{port}/", notice, key="k", settings=settings())


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://169.254.169.254/latest/meta-data",
        "https://10.1.2.3/",
        "https://[fd00:ec2::254]/",
    ],
)
def test_a_private_address_is_refused_when_it_is_written_down(url: str) -> None:
    with pytest.raises(PrivateAddress):
        webhook.check(url, settings(notify_private_addresses=False))


@pytest.mark.parametrize("spelling", ["localhost", "0x7f.1", "0x7f000001", "LOCALHOST."])
def test_a_private_address_is_refused_behind_any_spelling(receiver: Any, notice: Notice, spelling: str) -> None:
    url = f"http://{spelling}:{receiver.port}/"
    with pytest.raises(PrivateAddress):
        webhook.deliver(url, notice, key="k", settings=settings(notify_private_addresses=False))
    assert receiver.requests == []


def test_one_private_address_among_public_ones_is_enough_to_refuse(named: Any, notice: Notice) -> None:
    named("93.184.215.14", "10.0.0.1")
    with pytest.raises(PrivateAddress, match=r"receiver\.example"):
        webhook.deliver("http://receiver.example/", notice, key="k", settings=settings(notify_private_addresses=False))


def test_the_name_is_resolved_once_and_stays_host_header_and_sni(tls_receiver: Any, named: Any, notice: Notice) -> None:
    asked = named("127.0.0.1")
    url = f"https://receiver.example:{tls_receiver.port}/"
    webhook.deliver(url, notice, key="k", settings=settings())
    assert asked == ["receiver.example"]
    assert tls_receiver.names == ["receiver.example"]
    assert tls_receiver.requests[0].headers["host"] == f"receiver.example:{tls_receiver.port}"


def test_the_next_address_is_tried_when_one_does_not_answer(receiver: Any, named: Any, notice: Notice) -> None:
    named("::1", "127.0.0.1")
    url = f"http://receiver.example:{receiver.port}/"
    assert webhook.deliver(url, notice, key="k", settings=settings()).startswith("204")


def test_a_certificate_of_another_name_is_refused(tls_receiver: Any, notice: Notice) -> None:
    url = f"https://127.0.0.1:{tls_receiver.port}/"
    with pytest.raises(webhook.ReceiverUntrusted, match=r"not valid for '127\.0\.0\.1'"):
        webhook.deliver(url, notice, key="k", settings=settings())
    assert tls_receiver.requests == []


def test_a_certificate_of_an_unknown_issuer_is_refused(
    tls_receiver: Any, named: Any, notice: Notice, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "other.pem"))
    named("127.0.0.1")
    with pytest.raises(webhook.ReceiverUntrusted, match="unable to get local issuer"):
        webhook.deliver(f"https://receiver.example:{tls_receiver.port}/", notice, key="k", settings=settings())


def test_proxies_of_the_environment_are_not_used(
    receiver: Any, notice: Notice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert deliver(receiver, notice).startswith("204")


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_§§§", "whsec_" + "A" * 200])
def test_a_missing_or_weak_secret_is_refused_with_the_way_to_make_one(secret: str) -> None:
    with pytest.raises(InvalidInput, match="VEDETTE_WEBHOOK_SECRET") as caught:
        webhook.check("https://receiver.example/", settings(webhook_secret=secret))
    assert "openssl rand" in caught.value.cure


def test_plain_http_is_refused_in_production() -> None:
    with pytest.raises(InvalidInput, match="plain HTTP"):
        webhook.check("http://receiver.example/", settings(environment="production", notify_private_addresses=False))


def test_a_retry_after_may_be_a_date_and_is_capped_at_a_day() -> None:
    assert webhook.retry_after_s("Sun, 22 Nov 2026 08:02:00 GMT", NOW) == 120.0
    assert webhook.retry_after_s("Sun, 22 Nov 2026 07:00:00 GMT", NOW) == 0.0
    assert webhook.retry_after_s("9" * 400, NOW) == webhook.RETRY_AFTER_LIMIT_S


@given(st.text())
def test_any_retry_after_is_a_wait_or_nothing(value: str) -> None:
    wait_s = webhook.retry_after_s(value, NOW)
    assert wait_s is None or 0 <= wait_s <= webhook.RETRY_AFTER_LIMIT_S


def test_the_payload_is_json_without_a_second_type(notice: Notice) -> None:
    body = json.loads(webhook.payload(notice))
    assert set(body) == {"type", "timestamp", "data"}
    assert "type" not in body["data"]


def test_the_wait_survives_the_way_from_child_to_parent() -> None:
    failure = webhook.judge(webhook.Answer(429, "3"), "https://x.example/")
    copy = pickle.loads(pickle.dumps(failure))
    assert (str(copy), copy.retry_after_s) == (str(failure), 3.0)
