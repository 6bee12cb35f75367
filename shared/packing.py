"""Bytes packed by zlib, quickly: what is packed here is small and there is much of it.

For its usual window zlib gets 256 KiB from the system, whatever is packed: of a kilobyte that takes ten times as long
as the packing itself.
"""

from __future__ import annotations

import zlib

_LEVEL = 1
_SMALL = 4096  # bytes: the window that is used for no more
_WINDOW_BITS, _MEMORY_LEVEL = 12, 5  # 2^12 bytes, and some 16 KiB of memory


def packed(data: bytes) -> bytes:
    """Return `data` packed; `zlib.decompress` unpacks it."""
    if len(data) > _SMALL:
        return zlib.compress(data, _LEVEL)
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _WINDOW_BITS, _MEMORY_LEVEL)
    return packer.compress(data) + packer.flush()


def unpacked(data: bytes, most: int | None = None) -> bytes:
    """Return what was packed, up to `most` bytes of it. Raises ValueError where it is nothing packed."""
    try:
        return zlib.decompress(data) if most is None else zlib.decompressobj().decompress(data, most)
    except zlib.error as exc:
        raise ValueError("It cannot be unpacked.") from exc
