"""A name's addresses as the system's resolver sees them: hosts file, search domains, DNS."""

from __future__ import annotations

import ipaddress
import queue
import socket
import threading

from shared.errors import InvalidInput, Temporary

TIMEOUT_S = 10.0  # resolv.conf's default is two tries of 5 s each

_UNKNOWN = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
_CURE = "Check the name servers of this machine, or give the address itself."


class TargetUnresolvable(InvalidInput):
    """The name has no address."""


class ResolverAway(Temporary):
    """The resolver did not answer, or said that it cannot answer now, so nothing is known of the name."""


def addresses(host: str, timeout_s: float = TIMEOUT_S) -> list[str]:
    """Return all addresses of `host`, IPv4 first, each once. An address stands for itself.

    Raises TargetUnresolvable or ResolverAway.
    """
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    answer: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()
    # A daemon: `getaddrinfo` cannot be interrupted, and nobody should wait for it at the end of the process.
    threading.Thread(target=lambda: answer.put(_lookup(host)), name="resolve", daemon=True).start()
    try:
        found = answer.get(timeout=timeout_s)
    except queue.Empty:
        raise ResolverAway(f"The resolver did not answer for {host!r} within {timeout_s:g} s.", cure=_CURE) from None
    if isinstance(found, Exception):
        raise _failure(host, found) from found
    return sorted(found, key=lambda address: ":" in address)


def _lookup(host: str) -> list[str] | Exception:
    try:
        infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as exc:  # ValueError: a label too long for IDNA, a NUL
        return exc
    return list(dict.fromkeys(_address(info[4]) for info in infos))


def _failure(host: str, exc: Exception) -> TargetUnresolvable | ResolverAway:
    if isinstance(exc, ValueError) or (isinstance(exc, socket.gaierror) and exc.errno in _UNKNOWN):
        cure = "Check its spelling, or give the address itself."
        return TargetUnresolvable(f"The name {host!r} has no address.", cure=cure, pointer="/host")
    why = exc.strerror if isinstance(exc, OSError) else type(exc).__name__
    return ResolverAway(f"The resolver failed for {host!r}: {why}.", cure=_CURE)


def _address(where: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]) -> str:
    host = str(where[0])
    scope = where[3] if len(where) == 4 else 0
    return f"{host.partition('%')[0]}%{scope}" if scope else host
