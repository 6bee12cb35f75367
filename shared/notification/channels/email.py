"""E-mail to one address: `mailto:ops@example.org`."""

from __future__ import annotations

import time
from email.errors import MessageError
from email.headerregistry import Address
from email.utils import parseaddr
from urllib.parse import unquote

from shared.contracts.addresses import canonical
from shared.contracts.alert import AlertNotice
from shared.contracts.notice import Notice
from shared.errors import InvalidInput
from shared.notification import letter, submission, wording
from shared.notification.endpoint import literal
from shared.redaction import shown
from shared.settings import Settings

SCHEMES = ("mailto",)
_LOCAL_LIMIT = 64  # characters; RFC 5321, 4.5.3.1.1
_LOCAL = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~."
)  # RFC 5322, atext


def check(destination: str, settings: Settings) -> None:
    """Raise InvalidInput when the address is malformed, or server or sender are not configured."""
    _recipient(destination)
    _sender(settings)
    submission.server(settings.smtp_url.get_secret_value())


def deliver(destination: str, notice: Notice | AlertNotice, *, key: str, settings: Settings) -> str:
    """Send one mail and return the server's answer and the time, e.g. `250 OK, queued as 1abc, in 0.31 s`.

    Raises the errors of `shared.notification.submission` and what `check` raises.
    """
    sender, recipient = _sender(settings), _recipient(destination)
    server = submission.server(settings.smtp_url.get_secret_value())
    mail = letter.compose(notice, sender=sender, recipient=recipient, key=key)
    started = time.monotonic()
    said = submission.submit(
        mail, server, sender=sender.addr_spec, recipient=recipient.addr_spec, timeout_s=settings.notify_timeout_s
    )
    return f"{said}, in {time.monotonic() - started:.2f} s"


def _recipient(destination: str) -> Address:
    written = unquote(destination.partition(":")[2])
    return _address(written, f"The address in {shown(destination)!r}", "Give one address, like mailto:ops@example.org.")


def _sender(settings: Settings) -> Address:
    name, written = parseaddr(settings.mail_from)
    cure = 'Set it like "Vedette <vedette@example.org>".'
    sender = _address(written, "VEDETTE_MAIL_FROM", cure)
    try:
        return Address(wording.plain(name, 80), addr_spec=sender.addr_spec)
    except (ValueError, MessageError) as exc:
        raise InvalidInput("VEDETTE_MAIL_FROM has a name that mail cannot carry.", cure=cure) from exc


def _address(written: str, what: str, cure: str) -> Address:
    local, _, domain = written.rpartition("@")
    well_formed = 0 < len(local) <= _LOCAL_LIMIT and set(local) <= _LOCAL and ".." not in f".{local}."
    malformed = InvalidInput(f"{what} is not an e-mail address.", cure=cure)
    if not well_formed or literal(domain.strip("[]")) is not None:
        raise malformed
    try:
        return Address(username=local, domain=canonical(domain))
    except (ValueError, MessageError, InvalidInput) as exc:
        raise malformed from exc
