"""The network under webhooks: httpcore2 on the guarded connections of `shared.egress`.

httpcore2 goes on speaking to the name, so `Host`, SNI and the certificate's check are those of the URL.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore2

from shared import egress
from shared.egress import Link, TooLate
from shared.policy import Reach

READ_BYTES = 4096  # at once; a caller that wants no more of an answer has then not read much of it
MAX_BYTES = 256 * 1024  # of one answer, with its head


class Egress(httpcore2.NetworkBackend):
    """Connections to what is `within` reach, for `timeout_s` seconds from now in all."""

    def __init__(self, within: Reach, *, timeout_s: float) -> None:
        self._within = within
        self._ends_at = time.monotonic() + timeout_s

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Try the host's addresses in turn. Raises what `egress.connect` does where policy or resolver refuse."""
        del timeout, local_address, socket_options
        with _named(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            return _Stream(egress.connect(host, port, self._within, ends_at=self._ends_at, limit=MAX_BYTES))


class _Stream(httpcore2.NetworkStream):
    def __init__(self, link: Link) -> None:
        self._link = link

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        del timeout
        with _named(httpcore2.ReadTimeout, httpcore2.ReadError):
            return self._link.read(min(max_bytes, READ_BYTES))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        del timeout
        with _named(httpcore2.WriteTimeout, httpcore2.WriteError):
            self._link.write(buffer)

    def close(self) -> None:
        self._link.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        del timeout
        with _named(httpcore2.ConnectTimeout, httpcore2.ConnectError):
            self._link.secure(ssl_context, server_hostname)
        return self

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401  httpcore2's signature
        if info == "ssl_object" and isinstance(self._link.sock, ssl.SSLSocket):
            return self._link.sock
        return None


@contextmanager
def _named(late: type[Exception], broken: type[Exception]) -> Iterator[None]:
    """Give failures of the socket the names by which httpcore2 knows them; the cause is their first argument."""
    try:
        yield
    except TooLate as exc:
        raise late(exc) from exc
    except OSError as exc:
        raise broken(exc) from exc
