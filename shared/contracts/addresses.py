"""What a user may write for hosts: an address, a name, a network (`10.0.0.0/28`) or a range (`10.0.0.1-20`)."""

from __future__ import annotations

import ipaddress
import re

from shared.errors import InvalidInput

MAX_HOSTS = 4096  # hosts in one expression; larger networks are better given as several
MAX_NAME = 254  # characters of a name with its final dot (RFC 1035, 2.3.4); the IDNA codec takes quadratic time
_NAME = re.compile(
    r"(?=.{1,253}\.?$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.?", re.IGNORECASE
)
_ZONE = re.compile(r"[a-z0-9_.-]{1,15}", re.IGNORECASE)  # RFC 4007, 11.2: the name of an interface, 15 bytes on Linux
_RANGE = re.compile(r"(?P<first>[0-9a-f.:]+)\s*-\s*(?P<last>[0-9a-f.:]+)", re.IGNORECASE)


def expand(expression: str) -> list[str]:
    """Return the single hosts that `expression` names, in order. Names stay names; they are resolved by the scan.

    A network yields its usable hosts (RFC 3021 and RFC 6164 for /31 and /127). Raises InvalidInput.
    """
    text = expression.strip()
    if "/" in text:
        return _network(text)
    if (match := _RANGE.fullmatch(text)) and _is_numeric(match["first"], text):
        return _range(match["first"], match["last"], text)
    return [canonical(text)]


def canonical(host: str) -> str:
    """Return one host in its canonical spelling: lower case, no brackets, no final dot, IDNA names in ASCII."""
    text = host.strip()
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1]
    if _is_address(text):
        return _address(text)
    if len(text) > MAX_NAME:
        raise _wrong(host, f"it is longer than {MAX_NAME} characters")
    try:
        ascii_name = text.encode("idna").decode() if not text.isascii() else text
    except UnicodeError as exc:
        raise _wrong(host, "it is not a valid host name") from exc
    if re.fullmatch(r"[0-9.]+", ascii_name):
        raise _wrong(host, "it is not a valid IPv4 address")
    if not _NAME.fullmatch(ascii_name):
        raise _wrong(host, "it is neither an address nor a host name")
    return ascii_name.lower().removesuffix(".")


Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def span(expression: str) -> tuple[Address, Address] | None:
    """Return the first and the last address of an address, network or range of any size, or None for anything else."""
    text = expression.strip().removeprefix("[").removesuffix("]")
    try:
        if "/" in text:
            network = ipaddress.ip_network(text, strict=False)
            return network[0], network[-1]
        first, is_range, last = text.partition("-")
        start = ipaddress.ip_address(first.strip())
        if is_range and last.strip().isdigit() and start.version == 4:
            last = f"{first.rpartition('.')[0]}.{last.strip()}"
        end = ipaddress.ip_address(last.strip()) if is_range else start
    except ValueError:
        return None
    return (start, end) if start.version == end.version else None


def _network(text: str) -> list[str]:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError as exc:
        raise _wrong(text, "it is not a network") from exc
    if network.num_addresses > MAX_HOSTS:
        raise _wrong(text, f"it has {network.num_addresses} addresses, more than {MAX_HOSTS}")
    return [str(host) for host in network.hosts()]


def _range(first: str, last: str, text: str) -> list[str]:
    try:
        start = ipaddress.ip_address(first)
        if last.isdigit() and start.version == 4:
            last = first.rpartition(".")[0] + "." + last
        end = ipaddress.ip_address(last)
    except ValueError as exc:
        raise _wrong(text, "one end of the range is not an address") from exc
    if start.version != end.version or int(end) < int(start):
        raise _wrong(text, "the range is empty")
    if int(end) - int(start) >= MAX_HOSTS:
        raise _wrong(text, f"it has more than {MAX_HOSTS} addresses")
    make = ipaddress.IPv4Address if start.version == 4 else ipaddress.IPv6Address
    return [str(make(value)) for value in range(int(start), int(end) + 1)]


def _address(text: str) -> str:
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id and not _ZONE.fullmatch(address.scope_id):
        raise _wrong(text, "its zone is not the name of an interface")
    return str(address)


def _is_numeric(first: str, text: str) -> bool:
    """Whether `text` can be a range and not a name such as `cafe-bad.de`, which has only hexadecimal letters."""
    return _is_address(first) or ":" in text or not any(letter.isalpha() for letter in text)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _wrong(text: str, why: str) -> InvalidInput:
    return InvalidInput(f"Target {text[:80]!r}: {why}.", cure=_CURE)


_CURE = "Give an IPv4 or IPv6 address, a host name, a network such as 10.0.0.0/28, or a range such as 10.0.0.1-20."
