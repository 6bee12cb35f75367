"""Databases that serve anybody. PostgreSQL and MySQL say so only where the scanner could log in without a secret."""

from __future__ import annotations

from collections.abc import Iterator

from services.process.rule import Rule, cwe, ref
from services.process.rules.host import View
from services.process.rules.host._unguarded import unguarded
from shared.contracts.finding import Finding, Severity

_MISSING_AUTH = cwe(306, "Missing Authentication for Critical Function")

MONGODB_OPEN = Rule(
    id="mongodb-no-auth",
    title="MongoDB serves anybody without authentication",
    severity=Severity.CRITICAL,
    why=(
        "Whoever reaches the port can list, copy, change and drop every database. Scripts look for this around the "
        "clock, copy the data, delete it and leave a ransom note."
    ),
    fix=(
        "Create an administrator (`db.createUser`), then in /etc/mongod.conf set `security: {authorization: enabled}` "
        "and `net: {bindIp: 127.0.0.1}` (or a private address), and restart mongod."
    ),
    references=(
        ref("MongoDB security checklist", "https://www.mongodb.com/docs/manual/administration/security-checklist/"),
        ref("MongoDB: enable access control", "https://www.mongodb.com/docs/manual/tutorial/enable-authentication/"),
        _MISSING_AUTH,
    ),
)
MYSQL_OPEN = Rule(
    id="mysql-no-auth",
    title="MySQL or MariaDB lets clients in without a password",
    severity=Severity.CRITICAL,
    why="Whoever reaches the port has the data; an account with FILE or SUPER also gives files and code on the server.",
    fix=(
        "Run `mysql_secure_installation`; give every account a secret: `ALTER USER 'root'@'localhost' IDENTIFIED BY "
        "'LONG-RANDOM-SECRET';`, drop anonymous ones: `DROP USER ''@'localhost';`. Remove `skip-grant-tables` and set "
        "`bind-address = 127.0.0.1` in my.cnf."
    ),
    references=(
        ref(
            "MySQL: securing the initial accounts",
            "https://dev.mysql.com/doc/refman/8.4/en/default-privileges.html",
        ),
        ref(
            "MariaDB: mariadb-secure-installation",
            "https://mariadb.com/kb/en/mariadb-secure-installation/",
        ),
        _MISSING_AUTH,
    ),
)
POSTGRES_OPEN = Rule(
    id="postgres-no-auth",
    title="PostgreSQL lets clients in without a password",
    severity=Severity.CRITICAL,
    why=(
        "A `trust` line in pg_hba.conf lets whoever reaches the port become any role it names. A superuser role reads "
        "files and runs programs on the server (`COPY ... FROM PROGRAM`)."
    ),
    fix=(
        "In pg_hba.conf replace `trust` by `scram-sha-256` on every `host` line and narrow its address, e.g. "
        "`hostssl appdb app 10.0.0.0/28 scram-sha-256`; set passwords with `\\password`; then `SELECT "
        "pg_reload_conf();`."
    ),
    references=(
        ref("PostgreSQL: trust authentication", "https://www.postgresql.org/docs/current/auth-trust.html"),
        ref("PostgreSQL: pg_hba.conf", "https://www.postgresql.org/docs/current/auth-pg-hba-conf.html"),
        _MISSING_AUTH,
    ),
)
_RULES = {
    MONGODB_OPEN: ("mongodb",),
    MYSQL_OPEN: ("mysql", "mariadb"),
    POSTGRES_OPEN: ("postgres", "postgresql"),
}


def judge(view: View) -> Iterator[Finding]:
    for rule, names in _RULES.items():
        for service in view.named(*names):
            yield from unguarded(rule, service)
