"""Logins and data in the clear where the protocol knows better: FTP, mail, brokers and databases without TLS."""

from __future__ import annotations

from collections.abc import Iterator

from services.process.rule import Rule, cwe, ref, rfc
from services.process.rules.host import Reach, Service, View, reach
from shared.contracts.finding import Finding, Severity

_CLEARTEXT = cwe(319, "Cleartext Transmission of Sensitive Information")

FTP = Rule(
    id="ftp-cleartext",
    title="FTP without encryption",
    severity=Severity.MEDIUM,
    why="User names, passwords and files travel in the clear: who sits on the path reads and changes them.",
    fix=(
        "Replace it by SFTP, or require TLS. vsftpd.conf: `ssl_enable=YES`, `force_local_logins_ssl=YES`, "
        "`force_local_data_ssl=YES`, `rsa_cert_file=` and `rsa_private_key_file=`; ProFTPD: `TLSRequired on`."
    ),
    references=(rfc(4217, "Securing FTP with TLS"), _CLEARTEXT),
)
MAIL_ACCESS = Rule(
    id="mail-access-cleartext",
    title="IMAP or POP3 without encryption",
    severity=Severity.MEDIUM,
    why="Passwords of mailboxes, and the mail, travel in the clear. RFC 8314 calls this obsolete.",
    fix=(
        "Dovecot: `ssl = required` (2.3: also `disable_plaintext_auth = yes`; 2.4: `auth_allow_cleartext = no`), then "
        "use ports 993 and 995 and close 143 and 110."
    ),
    references=(rfc(8314, "Cleartext Considered Obsolete: Use of TLS for Email Submission and Access"), _CLEARTEXT),
)
MAIL_TRANSFER = Rule(
    id="smtp-no-starttls",
    title="SMTP does not offer STARTTLS",
    severity=Severity.MEDIUM,
    why="Mail to and from this server travels in the clear, and so do the logins of clients that send through it.",
    fix=(
        "Postfix: `smtpd_tls_security_level = may`, `smtpd_tls_chain_files = /etc/postfix/server.pem` (on submission "
        "`encrypt`); Exim: `tls_advertise_hosts = *`, `tls_certificate`, `tls_privatekey`."
    ),
    references=(rfc(3207, "SMTP Service Extension for Secure SMTP over TLS"), _CLEARTEXT),
)
MAIL_LOGIN = Rule(
    id="mail-login-before-tls",
    title="Mail logins are accepted before TLS",
    severity=Severity.MEDIUM,
    why=(
        "The server offers password logins on a connection that is not encrypted yet. A client without STARTTLS, or "
        "one whose STARTTLS is stripped on the way, sends its password in the clear."
    ),
    fix=(
        "Postfix: `smtpd_tls_auth_only = yes`; Exim: `auth_advertise_hosts = ${if eq{$tls_in_cipher}{}{}{*}}`; "
        "Dovecot: `disable_plaintext_auth = yes` (2.4: `auth_allow_cleartext = no`)."
    ),
    references=(
        rfc(8314, "Cleartext Considered Obsolete: Use of TLS for Email Submission and Access"),
        rfc(4954, "SMTP Service Extension for Authentication"),
        cwe(523, "Unprotected Transport of Credentials"),
    ),
)
STORE = Rule(
    id="data-service-cleartext",
    title="A database or broker speaks without encryption",
    severity=Severity.MEDIUM,
    why="Queries, results and, with many login methods, passwords can be read and changed by who sits on the path.",
    fix=(
        "PostgreSQL: `ssl = on` and `hostssl` lines in pg_hba.conf; MySQL: `require_secure_transport = ON`; Redis: "
        "`port 0` with `tls-port 6379`; mosquitto: `listener 8883` with `certfile` and `keyfile`; RabbitMQ: "
        "`listeners.tcp = none` with `listeners.ssl.default = 5671`."
    ),
    references=(
        ref(
            "OWASP: Transport Layer Security",
            "https://cheatsheetseries.owasp.org/cheatsheets/Transport_Layer_Security_Cheat_Sheet.html",
        ),
        _CLEARTEXT,
    ),
)
_BY_NAME = {"ftp": FTP, "imap": MAIL_ACCESS, "pop3": MAIL_ACCESS, "smtp": MAIL_TRANSFER, "submission": MAIL_TRANSFER}
_STORES = ("redis", "valkey", "mongodb", "mqtt", "amqp", "mysql", "mariadb", "postgres", "postgresql")


def judge(view: View) -> Iterator[Finding]:
    for service in view.services:
        if not service.data.tls:
            yield from _protocols(service)
            yield from _logins(service)
    for service in view.named(*_STORES):
        yield from _stores(service)


def _protocols(service: Service) -> Iterator[Finding]:
    rule = _BY_NAME.get(service.data.name)
    if rule and service.flag("starttls") is False:
        what = f"{service.label} on port {service.data.port} speaks in the clear and does not offer to change to TLS."
        yield _by_reach(rule.at(service, what), service)


def _logins(service: Service) -> Iterator[Finding]:
    offered = [line.upper() for line in service.names("capabilities")]
    words = {word for line in offered for word in line.replace("=", " ").split()}
    if service.flag("starttls") is not True:
        return  # without STARTTLS the finding above says it all
    if service.data.name in {"smtp", "submission"}:
        is_open = any(line.startswith("AUTH") for line in offered) and bool(words & {"PLAIN", "LOGIN"})
    else:
        is_open = service.data.name == "imap" and bool(offered) and "LOGINDISABLED" not in words
    if is_open:
        what = f"{service.label} on port {service.data.port} offers password logins before the connection is encrypted."
        yield _by_reach(MAIL_LOGIN.at(service, what), service)


def _stores(service: Service) -> Iterator[Finding]:
    if service.data.tls or service.flag("auth_required") is not True or service.flag("tls_offered") is True:
        return
    if service.flag("tls_offered") is None and service.data.name not in {"mqtt", "amqp", "redis", "valkey"}:
        return  # these negotiate TLS on the same port, so only the scanner's own trial tells
    what = f"{service.label} on port {service.data.port} takes credentials over a connection that is not encrypted."
    yield _by_reach(STORE.at(service, what), service)


def _by_reach(finding: Finding, service: Service) -> Finding:
    """Over loopback nobody sits on the path: worth knowing, no more."""
    far = reach(service.data.address)
    severity = Severity.INFO if far is Reach.LOOPBACK else finding.severity
    return finding.model_copy(update={"severity": severity, "what": f"{finding.what} {far.note}"})
