"""Services that ask for credentials, yet seldom have a reason to be reachable: databases, consoles, file shares.

Only where nothing worse is known: a service without authentication has its own finding.
"""

from __future__ import annotations

from collections.abc import Iterator

from services.process.rule import Rule, cwe, ref
from services.process.rules.host import Reach, View, reach
from shared.contracts.finding import Finding, Severity

_RESOURCE = cwe(668, "Exposure of Resource to Wrong Sphere")
_CIS = ref(
    "CIS Control 4: secure configuration of assets",
    "https://www.cisecurity.org/controls/secure-configuration-of-enterprise-assets-and-software",
)

DATA = Rule(
    id="data-service-reachable",
    title="A database or broker is reachable",
    severity=Severity.MEDIUM,
    why=(
        "Even where it asks for credentials, whoever reaches it can guess them, and use flaws that lie before the "
        "login. Only its applications need to reach it."
    ),
    fix=(
        "Bind it to loopback or a private address (PostgreSQL `listen_addresses`, MySQL `bind-address`, Redis `bind`, "
        "MongoDB `net.bindIp`), and let only the applications' addresses through: `nft add rule inet filter input tcp "
        "dport 5432 ip saddr != 10.0.0.0/28 drop`."
    ),
    references=(_CIS, _RESOURCE),
)
ADMIN = Rule(
    id="administration-reachable",
    title="A service for administrators is reachable",
    severity=Severity.MEDIUM,
    why="Remote desktops, consoles and management interfaces are where stolen and guessed passwords are tried first.",
    fix="Put it behind a VPN or an SSH jump host, and let only those through in the firewall. Require a second factor.",
    references=(
        _RESOURCE,
        ref(
            "CISA: internet-exposed management interfaces (BOD 23-02)",
            "https://www.cisa.gov/news-events/directives/binding-operational-directive-23-02",
        ),
    ),
)
SHARE = Rule(
    id="file-share-reachable",
    title="A file share or its directory of services is reachable",
    severity=Severity.MEDIUM,
    why="SMB, NFS, rsync and RPC were made for local networks; their flaws have carried worms, and shares leak data.",
    fix=(
        "Close 111, 135, 139, 445, 873 and 2049 to all but the clients' network; Samba: `hosts allow = 10.0.0.0/24`, "
        "`server signing = mandatory`; NFS: name the clients in /etc/exports and use `sec=krb5p`."
    ),
    references=(
        _RESOURCE,
        ref(
            "CISA: SMB security best practices",
            "https://www.cisa.gov/news-events/alerts/2017/01/16/smb-security-best-practices",
        ),
    ),
)
_DATA_NAMES = (
    *("redis", "valkey", "memcached", "mongodb", "mysql", "mariadb", "postgres", "postgresql", "mssql", "ms-sql-s"),
    *("oracle", "oracle-tns", "amqp", "cassandra", "cql", "zookeeper", "etcd"),
)
_ADMIN_NAMES = (
    *("rdp", "ms-wbt-server", "vnc", "winrm", "x11", "ipmi", "adb", "jdwp", "jmx", "rmi"),
    *("mikrotik", "winbox"),
)
_SHARE_NAMES = ("smb", "microsoft-ds", "netbios-ssn", "nfs", "rpcbind", "sunrpc", "msrpc", "epmap", "rsync", "afp")
_ROLES = ((DATA, _DATA_NAMES), (ADMIN, _ADMIN_NAMES), (SHARE, _SHARE_NAMES))
_SEVERITY = {Reach.PUBLIC: Severity.MEDIUM, Reach.PRIVATE: Severity.LOW, Reach.LOOPBACK: Severity.INFO}


def judge(view: View) -> Iterator[Finding]:
    for rule, names in _ROLES:
        for service in view.named(*names):
            if service.flag("auth_required") is False or "none" in map(str.lower, service.names("security_types")):
                continue
            far = reach(service.data.address)
            what = f"{service.label} answers on port {service.data.port}. {far.note}"
            yield rule.at(service, what).model_copy(update={"severity": _SEVERITY[far]})
