"""Turn a host into all of its addresses, as the system's resolver sees them (hosts file, search domains, DNS)."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import threading

from shared.errors import Permanent, Temporary

RESOLVE_WAIT = 10.0  # seconds; resolv.conf's default is two tries of 5 s each
MAX_ADDRESSES = 16

_UNKNOWN = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


class TargetUnresolvable(Permanent):
    """The name has no address."""


class ResolverFailed(Temporary):
    """The resolver gave no answer, or said that it cannot answer now."""


async def addresses(host: str) -> list[str]:
    """Return the addresses of `host`, each once, in the resolver's order. An address stands for itself."""
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    try:
        async with asyncio.timeout(RESOLVE_WAIT):
            found = await _in_thread(host)
    except TimeoutError as exc:
        raise ResolverFailed(f"The resolver did not answer for {host} within {RESOLVE_WAIT:g} s.", cure=_CURE) from exc
    except socket.gaierror as exc:
        if exc.errno in _UNKNOWN:
            raise TargetUnresolvable(f"{host} has no address.", cure="Check the name for a typing error.") from exc
        raise ResolverFailed(f"The resolver failed for {host}: {exc.strerror}.", cure=_CURE) from exc
    except UnicodeError as exc:
        raise TargetUnresolvable(f"{host} is not a name that can be resolved.") from exc
    return found[:MAX_ADDRESSES]


async def _in_thread(host: str) -> list[str]:
    """Ask in a daemon thread: the event loop's own threads would be waited for at the end of `asyncio.run`."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def settle(found: list[str], error: Exception | None) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(found)
        else:
            answer.set_exception(error)

    def ask() -> None:
        found, error = _lookup(host)
        with contextlib.suppress(RuntimeError):  # the loop has closed, nobody waits any more
            loop.call_soon_threadsafe(settle, found, error)

    threading.Thread(target=ask, name="resolve", daemon=True).start()
    return await answer


def _lookup(host: str) -> tuple[list[str], Exception | None]:
    try:
        infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        return [], exc
    return list(dict.fromkeys(_address(info[4]) for info in infos)), None


def _address(where: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]) -> str:
    host = str(where[0])
    scope = where[3] if len(where) == 4 else 0
    return f"{host.partition('%')[0]}%{scope}" if scope else host


_CURE = "Check the name servers of the machine that the scan worker runs on."
