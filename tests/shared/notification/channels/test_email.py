from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Any

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from shared.contracts.notice import Notice
from shared.errors import InvalidInput, Security, Temporary
from shared.notification import submission
from shared.notification.channels import email as channel
from shared.settings import Settings

USER, PASSWORD = "vedette", "p@ss:w/rd"
TO = "mailto:ops@receiver.example"


class Mailbox:
    """What an SMTP server took; `answers` replaces its replies to MAIL, RCPT or DATA."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.envelopes: list[Envelope] = []
        self.sessions: list[Session] = []
        self.answers: dict[str, str] = {}

    async def handle_MAIL(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _: Any
    ) -> str:
        envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _: Any
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.answers.get("RCPT", "250 OK")

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        if "DATA" in self.answers:
            return self.answers["DATA"]
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        self.mails.append(email.message_from_bytes(content, policy=email.policy.default))
        self.envelopes.append(envelope)
        self.sessions.append(session)
        return "250 queued as 1abc"


def authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    good = (data.login.decode(), data.password.decode()) == (USER, PASSWORD)
    return AuthResult(success=good, handled=False)


@contextmanager
def served(box: Mailbox, tls: ssl.SSLContext | None, **options: Any) -> Iterator[int]:
    """A real aiosmtpd on loopback; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    auth: dict[str, Any] = {"authenticator": authenticate, "auth_require_tls": True} if tls else {}
    server = Controller(box, hostname="127.0.0.1", port=port, tls_context=tls, **auth, **options)
    server.start()
    try:
        yield port
    finally:
        server.stop()


@pytest.fixture
def tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


@pytest.fixture
def box() -> Mailbox:
    return Mailbox()


def settings(url: str, **changes: Any) -> Settings:
    return Settings(**{"smtp_url": url, "mail_from": "Vedette <v@sender.example>", "notify_timeout_s": 5.0, **changes})


def login_url(port: int, password: str = "p%40ss%3Aw%2Frd") -> str:
    return f"smtp://{USER}:{password}@127.0.0.1:{port}"


def deliver(url: str, notice: Notice) -> str:
    return channel.deliver(TO, notice, key="01928e1c:mail/1", settings=settings(url))


def test_a_mail_goes_out_over_starttls_with_login(box: Mailbox, tls: ssl.SSLContext, notice: Notice) -> None:
    with served(box, tls) as port:
        said = deliver(login_url(port), notice)
    [mail], [session], [envelope] = box.mails, box.sessions, box.envelopes
    assert said.startswith("250 queued as 1abc, in 0.")
    assert session.ssl is not None
    assert session.authenticated
    assert (envelope.mail_from, envelope.rcpt_tos) == ("v@sender.example", ["ops@receiver.example"])
    assert mail["Subject"] == "[Vedette] db1.example: grade C, 1 critical, 3 high"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"] == "<01928e1c-mail-1@sender.example>"


def test_smtps_is_tls_from_the_start(box: Mailbox, tls: ssl.SSLContext, notice: Notice) -> None:
    with served(box, None, ssl_context=tls) as port:
        assert deliver(f"smtps://127.0.0.1:{port}", notice).startswith("250 queued")


def test_a_local_relay_without_login_needs_no_tls(box: Mailbox, notice: Notice) -> None:
    with served(box, None) as port:
        assert deliver(f"smtp://127.0.0.1:{port}", notice).startswith("250 queued")


def test_a_password_is_never_sent_without_tls(box: Mailbox, notice: Notice) -> None:
    with served(box, None) as port, pytest.raises(submission.MailServerUnfit, match="STARTTLS"):
        deliver(login_url(port), notice)
    assert box.mails == []


def test_a_certificate_of_an_unknown_issuer_is_refused(box: Mailbox, notice: Notice) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with served(box, context) as port, pytest.raises(submission.MailServerUntrusted, match="issuer"):
        deliver(login_url(port), notice)


def test_a_wrong_password_is_permanent_and_says_where_it_is_set(
    box: Mailbox, tls: ssl.SSLContext, notice: Notice
) -> None:
    with served(box, tls) as port, pytest.raises(submission.MailLoginFailed) as caught:
        deliver(login_url(port, "wrong-password"), notice)
    assert "VEDETTE_SMTP_URL" in caught.value.cure
    assert "wrong-password" not in caught.value.message


@pytest.mark.parametrize("step", ["MAIL", "RCPT", "DATA"])
def test_5xx_is_permanent_and_4xx_is_tried_again(box: Mailbox, notice: Notice, step: str) -> None:
    with served(box, None) as port:
        box.answers = {step: "550 5.7.1 no such thing"}
        with pytest.raises(submission.MailRefused, match=r"550 5\.7\.1 no such thing"):
            deliver(f"smtp://127.0.0.1:{port}", notice)
        box.answers = {step: "451 4.3.0 come back later"}
        with pytest.raises(submission.MailDeferred, match="come back later"):
            deliver(f"smtp://127.0.0.1:{port}", notice)


def test_a_closed_port_is_temporary(notice: Notice) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(submission.MailServerUnreachable, match="refused"):
        deliver(f"smtp://127.0.0.1:{port}", notice)


@pytest.mark.parametrize("greeting", [b"", b"554 go away\r\n", b"\xff\x00\r\n", b"HTTP/1.1 400 Bad\r\n\r\n"])
def test_what_greets_wrongly_gets_no_mail(notice: Notice, greeting: bytes) -> None:
    with _greeter(greeting) as port, pytest.raises((Temporary, submission.MailRefused)):
        deliver(f"smtp://127.0.0.1:{port}", notice)


def test_a_server_that_says_nothing_is_given_up_in_time(notice: Notice) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"smtp://127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(submission.MailServerUnreachable, match="timed out"):
            channel.deliver(TO, notice, key="k", settings=settings(url, notify_timeout_s=0.2))


def test_an_odd_answer_to_quit_does_not_undo_a_mail_that_was_taken(notice: Notice) -> None:
    class Odd(SMTP):
        async def smtp_QUIT(self, _arg: str) -> None:  # noqa: N802  aiosmtpd's name
            await self.push("421 odd")

    class OddController(Controller):
        def factory(self) -> SMTP:
            return Odd(self.handler, loop=asyncio.get_running_loop())

    box = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = OddController(box, hostname="127.0.0.1", port=port)
    server.start()
    try:
        assert deliver(f"smtp://127.0.0.1:{port}", notice).startswith("250 queued")
    finally:
        server.stop()


def test_a_target_cannot_inject_headers_or_markup(box: Mailbox, notice: Notice) -> None:
    evil = "x\r\nBcc: victim@example.org\r\n\r\n<script>alert(1)</script>"
    with served(box, None) as port:
        deliver(f"smtp://127.0.0.1:{port}", notice.model_copy(update={"target": evil}))
    [mail], [envelope] = box.mails, box.envelopes
    assert mail["Bcc"] is None
    assert envelope.rcpt_tos == ["ops@receiver.example"]
    assert "<script>" not in _part(mail, "html")
    assert "Bcc: victim" in mail["Subject"]


@pytest.mark.parametrize(
    "destination",
    [
        "mailto:",
        "mailto:ops",
        "mailto:@x.example",
        "mailto:ops@",
        "mailto:a@x.example,b@x.example",
        "mailto:a@x.example?bcc=b@x.example",
        "mailto:a%0d%0aBcc:b@x.example",
        "mailto:a@x.example%0d%0aDATA",
        "mailto:a..b@x.example",
        "mailto:<a@x.example>",
        "mailto:a@[127.0.0.1]",
        "mailto:a@127.0.0.1",
        "mailto:ü@x.example",
        "mailto:" + "a" * 65 + "@x.example",
    ],
)
def test_what_is_not_one_plain_address_is_refused(destination: str) -> None:
    with pytest.raises(InvalidInput, match="not an e-mail address"):
        channel.check(destination, settings("smtp://127.0.0.1"))


def test_a_domain_in_other_letters_goes_out_in_ascii() -> None:
    channel.check("mailto:ops@bücher.example", settings("smtp://127.0.0.1"))


@pytest.mark.parametrize("url", ["", "mail.example", "http://x.example", "smtp://", "smtp://x:port", "smtp://u:p@:25"])
def test_a_server_that_is_not_configured_is_named_with_the_cure(url: str) -> None:
    with pytest.raises(InvalidInput, match=r"no SMTP server|VEDETTE_SMTP_URL") as caught:
        channel.check(TO, settings(url))
    assert "smtp://user:password@host:587" in caught.value.cure


@pytest.mark.parametrize("sender", ["", "nobody", "V <v@>", "V <v;w@x.example>"])
def test_a_sender_that_is_not_an_address_is_named(sender: str) -> None:
    with pytest.raises(InvalidInput, match="VEDETTE_MAIL_FROM"):
        channel.check(TO, settings("smtp://127.0.0.1", mail_from=sender))


def test_the_default_ports_are_those_of_submission() -> None:
    assert submission.server("smtp://x.example").port == 587
    assert submission.server("smtps://x.example").port == 465


def test_a_refused_address_is_told_without_its_local_part() -> None:
    with pytest.raises(InvalidInput, match=r"'mailto:o…@example\.org'") as caught:
        channel.check("mailto:operations@example.org?x=1", settings("smtp://127.0.0.1"))
    assert "operations" not in caught.value.message


def test_a_server_that_drips_is_given_up_in_all(monkeypatch: pytest.MonkeyPatch, notice: Notice) -> None:
    monkeypatch.setattr(submission, "IN_ALL", 1.5)
    given_up = threading.Event()

    def drip(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.sendall(b"220 slow\r\n")
            while not given_up.wait(0.1):
                connection.sendall(b"250-x\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=lambda: drip(listener.accept()[0]))
        thread.start()
        url = f"smtp://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(Temporary):
            channel.deliver(TO, notice, key="k", settings=settings(url, notify_timeout_s=0.4))
        given_up.set()
        thread.join()


def test_mail_goes_to_no_metadata_service(notice: Notice) -> None:
    with pytest.raises(Security, match="never scanned"):
        channel.deliver(TO, notice, key="k", settings=settings("smtp://169.254.169.254:25"))


def test_the_password_is_not_in_the_repr() -> None:
    assert "hidden" not in repr(submission.server("smtp://u:hidden@x.example"))


@contextmanager
def _greeter(greeting: bytes) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(greeting)

        thread = threading.Thread(target=greet)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def _part(mail: EmailMessage, subtype: str) -> str:
    part = mail.get_body((subtype,))
    assert part is not None
    return str(part.get_content())
