"""Find product and version in what servers say of themselves: greetings, `Server` headers."""

from __future__ import annotations

import re

from services.scan.net.answer import clean

# Products whose greeting does not have the form `Name/1.2` or `Name 1.2`, or does so among other words.
_KNOWN = re.compile(
    r"(?P<product>vsFTPd|ProFTPD|Pure-FTPd|FileZilla Server|Microsoft FTP Service|Serv-U|pyftpdlib|"
    r"Postfix|Exim|Sendmail|OpenSMTPD|Haraka|qmail|Microsoft ESMTP MAIL Service|MailEnable|Python SMTP|"
    r"Dovecot|Courier-IMAP|Cyrus IMAP|Cyrus POP3|UW IMAP|hMailServer|Zimbra|Microsoft Exchange)"
    r"(?:[ /,]*(?:server|version:?|v)?[ /]*(?P<version>\d[\w.+-]*))?",
    re.IGNORECASE,
)
_TOKEN = re.compile(r"(?P<product>[A-Za-z][\w.+ -]{0,60}?)(?:/(?P<version>[\w.+~:-]{1,40}))?(?= |$|\(|,)")


def in_greeting(text: str) -> tuple[str, str]:
    """Return product and version named in a greeting, or two empty strings."""
    match = _KNOWN.search(text[:512])
    return (clean(match["product"]), (match["version"] or "").rstrip(".-")) if match else ("", "")


def in_server_header(value: str) -> tuple[str, str]:
    """Return product and version of the first token of a `Server` header (RFC 9110, 10.2.4)."""
    match = _TOKEN.match(value[:256].strip())
    return (match["product"], match["version"] or "") if match else ("", "")
