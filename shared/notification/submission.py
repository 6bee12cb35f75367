"""Hands one mail to the SMTP server of `VEDETTE_SMTP_URL` (RFC 5321, RFC 6409).

`smtps://` is TLS from the start. `smtp://` turns to TLS by STARTTLS: always when a password is given, else when the
server offers it, except on this machine itself. Certificates are always checked, against the issuers that the system
trusts.
"""

from __future__ import annotations

import contextlib
import ipaddress
import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from opentelemetry.trace import SpanKind

from shared import egress, resolver, telemetry
from shared.errors import External, InvalidInput, Permanent, Temporary
from shared.policy import Reach

_DEFERRED = "See to the mail server; it is tried a few times, then told as not delivered."
IN_ALL = 6  # times the time-out of one operation, for a whole mail: a server may answer slowly, but not forever
_PORTS = {"smtp": 587, "smtps": 465}


class MailRefused(Permanent):
    """The server answered 5xx: the same mail will be refused again."""


class MailDeferred(Temporary):
    """The server answered 4xx: later it may take the mail."""


class MailServerUnreachable(Temporary):
    """No connection, or it ended before the mail was taken."""


class MailServerUntrusted(External):
    """The server's certificate did not pass."""


class MailLoginFailed(Permanent):
    """The server does not accept user and password."""


class MailServerUnfit(Permanent):
    """The server lacks something that is needed: STARTTLS, or a way to log in."""


@dataclass(frozen=True)
class Server:
    """Where mail is handed in."""

    host: str
    port: int
    tls: bool
    user: str = ""
    password: str = field(default="", repr=False)

    @property
    def is_local(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def server(url: str) -> Server:
    """Return the server that `url` names. Raises InvalidInput, which does not repeat the URL."""
    cure = "Set VEDETTE_SMTP_URL to smtp://user:password@host:587 or smtps://user:password@host:465."
    if not url:
        raise InvalidInput("Mail cannot be sent: no SMTP server is configured.", cure=cure)
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError) as exc:
        raise InvalidInput("VEDETTE_SMTP_URL is not a smtp:// or smtps:// URL.", cure=cure) from exc
    if not parts.hostname:
        raise InvalidInput("VEDETTE_SMTP_URL has no host.", cure=cure)
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    return Server(parts.hostname, port, parts.scheme == "smtps", user, password)


def submit(mail: EmailMessage, to: Server, *, sender: str, recipient: str, timeout_s: float) -> str:
    """Hand in `mail` once and return the server's answer, e.g. `250 queued as 1abc`.

    sender, recipient: addresses of the envelope.  timeout_s: of each operation; `IN_ALL` times that of all.
    Raises the errors above; a mail whose end was sent but not answered counts as not taken.
    """
    where: dict[str, str | int] = {"server.address": to.host, "server.port": to.port, "network.protocol.name": "smtp"}
    try:
        with (
            telemetry.span("send mail", where, kind=SpanKind.CLIENT),
            _connected(to, sender.rpartition("@")[2], timeout_s) as smtp,
        ):
            _secure(smtp, to)
            if to.user:
                smtp.login(to.user, to.password)
            return _send(smtp, mail, sender, recipient)
    except smtplib.SMTPAuthenticationError as exc:
        raise _login_failed(exc) from exc
    except smtplib.SMTPResponseException as exc:
        raise _refused(exc.smtp_code, exc.smtp_error, "the connection") from exc
    except smtplib.SMTPNotSupportedError as exc:
        raise MailServerUnfit(f"{to.host}:{to.port} cannot take the mail: {exc}", cure=_UNFIT) from exc
    except ssl.SSLError as exc:
        why = getattr(exc, "verify_message", "") or exc.reason or "the handshake failed"
        raise MailServerUntrusted(f"TLS with {to.host}:{to.port} failed: {why}.", cure=_UNTRUSTED) from exc
    except (resolver.TargetUnresolvable, resolver.ResolverAway) as exc:
        raise MailServerUnreachable(f"{to.host}:{to.port} was not reached: {exc.message}", cure=_UNREACHED) from exc
    except (smtplib.SMTPException, OSError) as exc:
        why = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
        raise MailServerUnreachable(f"{to.host}:{to.port} was not reached: {why}.", cure=_UNREACHED) from exc


@contextlib.contextmanager
def _connected(to: Server, own_name: str, timeout_s: float) -> Iterator[smtplib.SMTP]:
    smtp = _connect(to, own_name, timeout_s)
    try:
        with contextlib.ExitStack() as stack:
            if smtp.sock:  # always, once connected
                stack.enter_context(egress.ending(smtp.sock, timeout_s * IN_ALL))
            yield smtp
    finally:
        # smtplib's own `with` raises on an odd answer to QUIT, which would make a mail that was taken look refused.
        with contextlib.suppress(smtplib.SMTPException, OSError):
            smtp.quit()
        smtp.close()


def _connect(to: Server, own_name: str, timeout_s: float) -> smtplib.SMTP:
    if to.tls:
        context = ssl.create_default_context()
        return _SecureSmtp(to.host, to.port, local_hostname=own_name, timeout=timeout_s, context=context)
    return _Smtp(to.host, to.port, local_hostname=own_name, timeout=timeout_s)


class _Smtp(smtplib.SMTP):
    """smtplib on a guarded connection. Its server is the operator's choice, so it may be on a private address."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        ends_at = time.monotonic() + timeout
        sock = egress.dial(host, port, Reach(private=True), ends_at=ends_at)
        sock.settimeout(timeout)
        return sock


class _SecureSmtp(smtplib.SMTP_SSL, _Smtp):
    """The same inside TLS: SMTP_SSL wraps the socket of the next class."""


def _secure(smtp: smtplib.SMTP, to: Server) -> None:
    smtp.ehlo_or_helo_if_needed()
    offered = smtp.has_extn("starttls") and not to.is_local
    if not to.tls and (to.user or offered):
        smtp.starttls(context=ssl.create_default_context())


def _send(smtp: smtplib.SMTP, mail: EmailMessage, sender: str, recipient: str) -> str:
    smtp.ehlo_or_helo_if_needed()
    _taken(smtp.mail(sender), "the sender")
    _taken(smtp.rcpt(recipient), "the recipient")
    return _taken(smtp.data(mail.as_bytes()), "the mail")


def _taken(answer: tuple[int, bytes], what: str) -> str:
    code, said = answer
    if code >= 300:
        raise _refused(code, said, what)
    return f"{code} {_line(said)}".strip()


def _refused(code: int, said: bytes | str, what: str) -> Permanent | Temporary:
    message = f"The mail server refused {what}: {code} {_line(said)}"
    if code >= 500:
        return MailRefused(message, cure="Check the address, and that this sender may use the server.")
    return MailDeferred(message, cure=_DEFERRED)


def _login_failed(exc: smtplib.SMTPAuthenticationError) -> Permanent | Temporary:
    message = f"The mail server refused the login: {exc.smtp_code} {_line(exc.smtp_error)}"
    if exc.smtp_code < 500:
        return MailDeferred(message, cure=_DEFERRED)
    return MailLoginFailed(message, cure="Check user and password in VEDETTE_SMTP_URL (percent-encode @ : / in them).")


def _line(said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:160]


_UNFIT = "Use port 587 with STARTTLS, or smtps:// with port 465; a password is never sent without TLS."
_UNTRUSTED = "Use the name in the server's certificate, or trust its issuer (SSL_CERT_FILE)."
_UNREACHED = "Check host and port in VEDETTE_SMTP_URL, and that the server is up."
