"""Redis and memcached that serve anybody. Both answer arbitrary commands; Redis even writes files."""

from __future__ import annotations

from collections.abc import Iterator

from services.process.rule import Rule, cwe, ref
from services.process.rules.host import View
from services.process.rules.host._unguarded import unguarded
from shared.contracts.finding import Finding, Severity

REDIS_OPEN = Rule(
    id="redis-no-auth",
    title="Redis serves anybody without a password",
    severity=Severity.CRITICAL,
    why=(
        "Whoever reaches the port can read, change and delete all data. With CONFIG SET and replication commands an "
        "attacker writes files and loads code as the Redis user: this is among the most abused services there are."
    ),
    fix=(
        "In redis.conf: `bind 127.0.0.1 -::1`, `protected-mode yes` and `requirepass LONG-RANDOM-SECRET` (or an ACL "
        "user for each application), then restart. Allow the port in the firewall only for the machines that need it."
    ),
    references=(
        ref("Redis security", "https://redis.io/docs/latest/operate/oss_and_stack/management/security/"),
        ref(
            "Redis access control lists", "https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/"
        ),
        cwe(306, "Missing Authentication for Critical Function"),
    ),
)
MEMCACHED_OPEN = Rule(
    id="memcached-no-auth",
    title="memcached serves anybody without authentication",
    severity=Severity.HIGH,
    why=(
        "Cached sessions, tokens and rendered pages can be read, replaced and flushed by whoever reaches the port. "
        "Poisoned entries often become code or sessions in the application that trusts its cache."
    ),
    fix=(
        "Start memcached with `-l 127.0.0.1` (or a private address) and `-U 0`; on Debian in /etc/memcached.conf. "
        "Where clients are remote, use `-S` (SASL) or `--enable-ssl`, and a firewall rule that names the clients."
    ),
    references=(
        ref("memcached: configuring the server", "https://github.com/memcached/memcached/wiki/ConfiguringServer"),
        ref("memcached: SASL how-to", "https://github.com/memcached/memcached/wiki/SASLHowto"),
        cwe(306, "Missing Authentication for Critical Function"),
    ),
)


def judge(view: View) -> Iterator[Finding]:
    for service in view.named("redis", "valkey"):
        yield from unguarded(REDIS_OPEN, service)
    for service in view.named("memcached"):
        yield from unguarded(MEMCACHED_OPEN, service)
