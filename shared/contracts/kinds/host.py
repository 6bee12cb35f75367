"""Host: a machine with an address. The request model, and the models of what its scanner observes.

`Observation.type` is the key of `FACTS`; `Observation.data` is that model dumped. Subjects: `host` for the whole
machine, `tcp/ADDRESS:PORT` for one port.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Literal, Self

from pydantic import field_validator

from shared.contracts import addresses, ports
from shared.contracts.job import Contract, Profile
from shared.contracts.ports import GROUPS, PortGroup
from shared.contracts.target import TargetModel
from shared.errors import InvalidInput

_BY_PROFILE: dict[Profile, tuple[PortGroup, ...]] = {
    Profile.QUICK: (PortGroup.CRITICAL, PortGroup.HIGH),
    Profile.STANDARD: (PortGroup.CRITICAL, PortGroup.HIGH, PortGroup.MEDIUM, PortGroup.LOW),
}


class Target(TargetModel):
    """A host to scan. `ports` is a port expression; without it `port_groups`; without both the profile decides."""

    kind: Literal["host"] = "host"
    host: str
    ports: str = ""
    port_groups: list[PortGroup] = []

    @field_validator("host")
    @classmethod
    def _host_is_known_notation(cls, value: str) -> str:
        with _at("/host"):
            addresses.expand(value)
        return value.strip()

    @field_validator("ports")
    @classmethod
    def _ports_are_an_expression(cls, value: str) -> str:
        if value:
            with _at("/ports"):
                ports.parse(value)
        return value

    @field_validator("port_groups")
    @classmethod
    def _groups_have_ports(cls, value: list[PortGroup]) -> list[PortGroup]:
        if PortGroup.OTHER in value:
            raise InvalidInput(
                "The port group `other` has no ports of its own.", cure="Name ports instead.", pointer="/port_groups"
            )
        return value

    @property
    def label(self) -> str:
        return self.host

    @property
    def hosts(self) -> list[str]:
        return [self.host]

    @property
    def named_ports(self) -> list[int]:
        return ports.parse(self.ports) if self.ports else []

    def expand(self) -> list[Self]:
        return [self.model_copy(update={"host": host}) for host in addresses.expand(self.host)]

    def port_list(self, profile: Profile) -> list[int]:
        """Return the ports to scan, sorted. The comprehensive profile means all of them."""
        if self.ports:
            return ports.parse(self.ports)
        if not self.port_groups and profile is Profile.COMPREHENSIVE:
            return ports.parse("-")
        return sorted({port for group in self.port_groups or _BY_PROFILE[profile] for port in GROUPS.get(group, ())})


@contextmanager
def _at(pointer: str) -> Iterator[None]:
    try:
        yield
    except InvalidInput as exc:
        exc.pointer = pointer
        raise


class HostFacts(Contract):
    """type `host`: the machine. `addresses` are all that the name resolved to; `latency_ms` is the fastest answer."""

    name: str
    addresses: list[str]
    answered: list[str]
    latency_ms: float | None = None


class PortFacts(Contract):
    """type `port`: one open TCP port."""

    address: str
    port: int
    group: PortGroup
    latency_ms: float


class ServiceFacts(Contract):
    """type `service`: what answers on an open port. `name` is IANA-like (`ssh`, `http`, `redis`, `unknown`).

    `tls`: the service was spoken to inside TLS. `details` are facts of its protocol; the keys in use:
    ssh: `protocol`, `kex`, `host_keys`, `ciphers`, `macs`, `compression` (lists of names), `comment`
    ftp, smtp, imap, pop3: `starttls` (bool), `capabilities` (list), `greeting_name`
    redis, memcached, mongodb, mqtt, amqp, mysql, postgres: `auth_required` (bool, absent when unknown), `mode`,
    `tls_offered`
    vnc: `security_types` (list of names) · rdp: `protocols` (list: rdp, tls, credssp)
    dns: `recursion` (bool), `version_bind`
    """

    address: str
    port: int
    name: str
    product: str = ""
    version: str = ""
    tls: bool = False
    details: dict[str, Any] = {}


class CertificateFacts(Contract):
    """One X.509 certificate, leaf first in its chain."""

    subject: str
    issuer: str
    names: list[str] = []
    serial: str
    not_before: datetime
    not_after: datetime
    key_type: str
    key_bits: int | None = None
    signature_hash: str = ""
    is_self_signed: bool = False
    is_ca: bool = False
    sha256: str


class TlsFacts(Contract):
    """type `tls`: one TLS endpoint. `accepted` and `refused` are protocol versions that were tried one by one."""

    address: str
    port: int
    starttls: str = ""
    version: str
    cipher: str
    cipher_bits: int = 0
    alpn: str = ""
    accepted: list[str] = []
    refused: list[str] = []
    chain: list[CertificateFacts] = []
    name_checked: str = ""
    name_matches: bool | None = None
    is_trusted: bool = False
    trust_error: str = ""


class HttpFacts(Contract):
    """type `http`: the answer to one `GET /`. `headers` are lower case; repeated ones are joined by a comma.

    `cookies` are the `Set-Cookie` lines with their values removed. `redirects_to` is a Location, not followed.
    """

    address: str
    port: int
    scheme: Literal["http", "https"]
    url: str
    status: int
    server: str = ""
    title: str = ""
    headers: dict[str, str] = {}
    cookies: list[str] = []
    redirects_to: str = ""


FACTS: dict[str, type[Contract]] = {
    "host": HostFacts,
    "port": PortFacts,
    "service": ServiceFacts,
    "tls": TlsFacts,
    "http": HttpFacts,
}
