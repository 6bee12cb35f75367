"""Which characters the fonts inside the typst wheel can draw, and what stands for the others.

The fonts are Libertinus Serif and DejaVu Sans Mono. PDF/A and PDF/UA forbid missing glyphs. Measured with typst 0.15.
"""

from __future__ import annotations

import re
import unicodedata

RANGES: tuple[tuple[int, int], ...] = (
    *((0x09, 0x0A), (0x20, 0x7E), (0xA0, 0xAC), (0xAE, 0x2FF), (0x384, 0x38A), (0x38E, 0x3A1), (0x3A3, 0x3CE)),
    *((0x400, 0x477), (0x48C, 0x4C4), (0x531, 0x556), (0x561, 0x586), (0x5D0, 0x5EA), (0x621, 0x63A), (0x640, 0x64A)),
    *((0x660, 0x66A), (0x10D0, 0x10FA), (0x1E00, 0x1EFF), (0x2010, 0x2015), (0x2018, 0x2022), (0x2026, 0x2026)),
    *((0x2030, 0x203A), (0x20AC, 0x20AC), (0x2122, 0x2122), (0x2190, 0x21FF), (0x2200, 0x222E), (0x2234, 0x223D)),
    *((0x2241, 0x226B), (0x2500, 0x25FF), (0x2713, 0x2713), (0x27E8, 0x27E9)),
)
_MISSING = re.compile("[^" + "".join(f"{chr(low)}-{chr(high)}".replace("\\", "\\\\") for low, high in RANGES) + "]")


def drawable(text: str) -> str:
    """Return `text` composed (NFC), with each character that has no glyph by its number: ‹U+1F600›."""
    return _MISSING.sub(lambda found: f"‹U+{ord(found[0]):04X}›", unicodedata.normalize("NFC", text))
