"""The URL of a webhook, taken apart once."""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import dataclass, field
from urllib.parse import SplitResult, quote, unquote, urlsplit

from shared.contracts.addresses import Address, canonical
from shared.errors import InvalidInput

SCHEMES = ("https", "http")
_LEFT_AS_WRITTEN = "/?%:@!$&'()*+,;=~-._"  # RFC 3986, 3.3 and 3.4; everything else is percent-encoded


class MalformedURL(InvalidInput):
    """No request can be made of this URL."""

    def __init__(self, message: str, *, cure: str = "Give one like https://example.org/hooks/vedette.") -> None:
        super().__init__(message, cure=cure)


@dataclass(frozen=True)
class Endpoint:
    """Where to send. `target` is path and query; `authorization` is a header's value, or empty."""

    scheme: str
    host: str
    port: int | None
    target: str = field(repr=False)
    authorization: str = field(repr=False)

    @property
    def authority(self) -> str:
        """The value of the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port is None else f"{host}:{self.port}"


def parse(url: str) -> Endpoint:
    """Return the parts of `url`; a fragment is dropped. Raises MalformedURL, which does not repeat the URL."""
    if any(character.isspace() or not character.isprintable() for character in url):
        raise MalformedURL("The webhook's URL has a space or a control character in it.")
    try:
        parts = urlsplit(url)
        port = parts.port
        host = canonical(parts.hostname or "")
    except (ValueError, InvalidInput) as exc:
        raise MalformedURL("The webhook's URL has no valid host or port.") from exc
    if parts.scheme not in SCHEMES or port == 0:
        raise MalformedURL("The webhook's URL needs http:// or https://, and a port from 1 to 65535 if any.")
    return Endpoint(parts.scheme, host, port, _target(parts), _authorization(parts))


def literal(host: str) -> Address | None:
    """Return the address that `host` spells out, or None when it is a name."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _target(parts: SplitResult) -> str:
    query = f"?{parts.query}" if parts.query else ""
    return quote(f"{parts.path or '/'}{query}", safe=_LEFT_AS_WRITTEN)


def _authorization(parts: SplitResult) -> str:
    if parts.username is None:
        return ""
    pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
