"""The network under webhooks: connects only to judged addresses, and ends everything at one deadline.

httpcore2 goes on speaking to the name, so `Host`, SNI and the certificate's check are those of the URL. Time-outs of
single reads would let a receiver that sends a byte now and then hold a worker for hours; a deadline does not.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from typing import Any

import httpcore2

from services.notify import address

READ_BYTES = 4096  # at once; a caller that wants no more of an answer has then not read much of it


class Egress(httpcore2.NetworkBackend):
    """Connections to the hosts that `address.routes` allows, for `timeout_s` seconds from now in all."""

    def __init__(self, *, private: bool, timeout_s: float) -> None:
        self._private = private
        self._ends_at = time.monotonic() + timeout_s
        self._sockets = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Try the host's addresses in turn, each with its share of the time that is left."""
        del timeout
        found = address.routes(host, private=self._private, timeout_s=_left(self._ends_at))
        for tried, route in enumerate(found, start=1):
            share_s = _left(self._ends_at) / (len(found) - tried + 1)
            try:
                stream = self._sockets.connect_tcp(route, port, share_s, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if tried == len(found):
                    raise
            else:
                return _Deadlined(stream, self._ends_at)
        raise httpcore2.ConnectError(f"{host} has no address")


class _Deadlined(httpcore2.NetworkStream):
    """A stream whose every operation may last until the deadline, and no longer."""

    def __init__(self, stream: httpcore2.NetworkStream, ends_at: float) -> None:
        self._stream = stream
        self._ends_at = ends_at

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        del timeout
        return self._stream.read(min(max_bytes, READ_BYTES), _left(self._ends_at))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        del timeout
        self._stream.write(buffer, _left(self._ends_at))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        del timeout
        return _Deadlined(self._stream.start_tls(ssl_context, server_hostname, _left(self._ends_at)), self._ends_at)

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401  httpcore2's signature
        return self._stream.get_extra_info(info)


def _left(ends_at: float) -> float:
    left = ends_at - time.monotonic()
    if left <= 0:
        raise httpcore2.ReadTimeout("the time for this delivery is over")
    return left
