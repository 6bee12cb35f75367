"""Who may scan what. Asked when a job is submitted; the scan asks again when it connects.

Here: a name must resolve. Allowed networks, grants and denials come with organisations.
"""

from __future__ import annotations

import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLate

from shared.contracts.target import TargetModel
from shared.errors import InvalidInput, Temporary

RESOLVE_TIMEOUT_S = 5.0  # two tries of a common resolver configuration
_POOL = ThreadPoolExecutor(max_workers=8, thread_name_prefix="resolve")


class TargetUnresolvable(InvalidInput):
    """The name has no address."""


class ResolverAway(Temporary):
    """The resolver did not answer in time, so nothing is known of the name."""


def check(target: TargetModel) -> None:
    """Refuse a single target that cannot be scanned: the `host` of its model, if it has one, must resolve.

    Raises TargetUnresolvable or ResolverAway.
    """
    host = getattr(target, "host", None)
    if isinstance(host, str):
        resolve(host)


def resolve(host: str) -> list[str]:
    """Return all addresses of `host`, IPv4 first, each once. Raises TargetUnresolvable or ResolverAway."""
    if _is_address(host):
        return [host]
    try:
        answers = _POOL.submit(socket.getaddrinfo, host, None, type=socket.SOCK_STREAM).result(RESOLVE_TIMEOUT_S)
    except TooLate as exc:
        raise ResolverAway(f"The resolver did not answer for {host!r} within {RESOLVE_TIMEOUT_S:g} s.") from exc
    except socket.gaierror as exc:
        if exc.errno == socket.EAI_AGAIN:
            raise ResolverAway(f"The resolver failed for {host!r}: {exc.strerror}.") from exc
        raise _unresolvable(host) from exc
    except ValueError as exc:  # a label too long for IDNA, a NUL
        raise _unresolvable(host) from exc
    found = dict.fromkeys(str(answer[4][0]) for answer in answers)
    return sorted(found, key=lambda address: ":" in address)


def _unresolvable(host: str) -> TargetUnresolvable:
    return TargetUnresolvable(
        f"The name {host!r} has no address.", cure="Check its spelling, or give the address itself.", pointer="/host"
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
