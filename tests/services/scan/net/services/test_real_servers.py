"""What is found out about real servers, on ports that say nothing about them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from services.scan.net.answer import Service
from services.scan.net.identify import Identity
from tests.services.scan.farm import Ports

Identify = Callable[[int], Identity]


def described(service: Service, *keys: str) -> tuple[Any, ...]:
    return (service.name, service.product, *(service.details.get(key) for key in keys))


def is_version(text: str) -> bool:
    return re.match(r"\d+\.\d+", text) is not None


def test_ssh_says_its_version_and_its_algorithms(sshd: Ports, identified: Identify) -> None:
    service = identified(sshd["ssh"]).service
    assert described(service, "protocol", "host_keys") == ("ssh", "OpenSSH", "2.0", ["ssh-ed25519"])
    assert is_version(service.version)
    assert {"kex", "ciphers", "macs", "compression"} <= service.details.keys()


def test_an_open_redis_says_its_version(redis: Ports, identified: Identify) -> None:
    service = identified(redis["plain"]).service
    assert described(service, "auth_required", "mode") == ("redis", "Redis", False, "standalone")
    assert is_version(service.version)


def test_a_locked_redis_says_only_that_it_is_locked(redis_locked: Ports, identified: Identify) -> None:
    service = identified(redis_locked["plain"]).service
    assert (*described(service, "auth_required"), service.version) == ("redis", "Redis", True, "")


def test_memcached_without_login_says_its_version(memcached: Ports, identified: Identify) -> None:
    service = identified(memcached["memcached"]).service
    assert described(service, "auth_required") == ("memcached", "memcached", False)
    assert is_version(service.version)


def test_an_open_mqtt_broker_says_its_version(mosquitto: Ports, identified: Identify) -> None:
    service = identified(mosquitto["open"]).service
    assert described(service, "auth_required") == ("mqtt", "mosquitto", False)
    assert is_version(service.version)


def test_a_locked_mqtt_broker_requires_a_login(mosquitto: Ports, identified: Identify) -> None:
    assert described(identified(mosquitto["locked"]).service, "auth_required") == ("mqtt", "", True)


def test_mqtt_inside_tls_is_found(mosquitto: Ports, identified: Identify) -> None:
    found = identified(mosquitto["tls"])
    assert (found.service.name, found.in_tls) == ("mqtt", True)


def test_ftp_lets_anonymous_in_and_starts_tls(vsftpd: Ports, identified: Identify) -> None:
    found = identified(vsftpd["ftp"])
    assert described(found.service, "starttls", "auth_required") == ("ftp", "vsFTPd", True, False)
    assert is_version(found.service.version)
    assert found.tls is not None
    assert found.tls.starttls == "ftp"


def test_imap_has_capabilities_and_starts_tls(dovecot: Ports, identified: Identify) -> None:
    found = identified(dovecot["imap"])
    assert described(found.service, "starttls") == ("imap", "Dovecot", True)
    assert "IMAP4REV1" in found.service.details["capabilities"]
    assert found.tls is not None
    assert (found.tls.starttls, found.in_tls) == ("imap", False)


def test_imap_inside_tls_is_found(dovecot: Ports, identified: Identify) -> None:
    found = identified(dovecot["imaps"])
    assert (found.service.name, found.in_tls, found.service.details["starttls"]) == ("imap", True, False)


def test_pop3_has_capabilities_and_starts_tls(dovecot: Ports, identified: Identify) -> None:
    found = identified(dovecot["pop3"])
    assert described(found.service, "starttls") == ("pop3", "Dovecot", True)
    assert "UIDL" in found.service.details["capabilities"]
    assert found.tls is not None
    assert found.tls.starttls == "pop3"


def test_pop3_inside_tls_is_found(dovecot: Ports, identified: Identify) -> None:
    found = identified(dovecot["pop3s"])
    assert (found.service.name, found.in_tls) == ("pop3", True)


def test_smtp_has_capabilities_and_starts_tls(exim: Ports, identified: Identify) -> None:
    found = identified(exim["smtp"])
    assert described(found.service, "starttls", "greeting_name") == ("smtp", "Exim", True, "mail.example")
    assert is_version(found.service.version)
    assert found.tls is not None
    assert found.tls.starttls == "smtp"


def test_smtp_inside_tls_is_found(exim: Ports, identified: Identify) -> None:
    found = identified(exim["smtps"])
    assert (found.service.name, found.in_tls, found.service.details["starttls"]) == ("smtp", True, False)


def test_postgres_requires_a_password_and_starts_tls(postgres: Ports, identified: Identify) -> None:
    found = identified(postgres["postgres"])
    facts = described(found.service, "auth_required", "mode", "tls_offered")
    assert facts == ("postgres", "PostgreSQL", True, "scram-sha-256", True)
    assert found.tls is not None
    assert found.tls.starttls == "postgres"


def test_mariadb_greets_with_its_version_and_starts_tls(mariadb: Ports, identified: Identify) -> None:
    found = identified(mariadb["mysql"])
    assert described(found.service, "tls_offered") == ("mysql", "MariaDB", True)
    assert is_version(found.service.version)
    assert found.tls is not None
    assert found.tls.starttls == "mysql"


def test_dns_says_its_version_and_that_it_recurses(named: Ports, identified: Identify) -> None:
    service = identified(named["dns"]).service
    assert described(service, "recursion") == ("dns", "BIND", True)
    assert is_version(service.version)
    assert service.details["version_bind"].startswith(service.version)


def test_a_web_page_has_a_title_and_cookies_without_values(nginx: Ports, identified: Identify) -> None:
    found = identified(nginx["http"])
    assert (found.service.name, found.service.product) == ("http", "nginx")
    page = found.service.page
    assert page is not None
    assert (page.status, page.title, page.cookies) == (200, "Tom & Jerry", ["sid=; HttpOnly"])
    assert "secret" not in found.evidence[0].text


def test_a_redirect_is_not_followed(nginx: Ports, identified: Identify) -> None:
    page = identified(nginx["moved"]).service.page
    assert page is not None
    assert (page.status, page.headers["location"]) == (302, "https://elsewhere.example/")
