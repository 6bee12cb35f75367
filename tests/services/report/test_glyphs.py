from __future__ import annotations

import typst
from hypothesis import given
from hypothesis import strategies as st

from services.report import glyphs, typeset

DRAWN = [chr(code) for low, high in glyphs.RANGES for code in range(low, high + 1) if chr(code).isprintable()]
SOURCE = b"""
#set document(title: "t")
#set text(lang: "en", font: (sys.inputs.first, "Libertinus Serif", "DejaVu Sans Mono"))
#for line in sys.inputs.text.split("\\n") [#line.clusters().join(" ") \\ ]
"""


def test_the_compiler_draws_every_character_that_is_called_drawable() -> None:
    text = "\n".join("".join(DRAWN[i : i + 40]) for i in range(0, len(DRAWN), 40))
    for first in ("Libertinus Serif", "DejaVu Sans Mono"):
        typst.compile(
            SOURCE,
            font_paths=typst.Fonts(include_system_fonts=False),
            ignore_system_fonts=True,
            sys_inputs={"text": text, "first": first},
            pdf_standards=typeset.STANDARDS,
        )


def test_other_characters_are_named() -> None:
    assert glyphs.drawable("ok 漢 😀 Ω") == "ok ‹U+6F22› ‹U+1F600› Ω"


def test_accents_are_composed_with_their_letter() -> None:
    assert glyphs.drawable("e\u0301") == "é"


@given(st.text())
def test_whatever_comes_out_can_be_drawn(text: str) -> None:
    assert set(glyphs.drawable(text)) <= {*DRAWN, "\t", "\n", "\xa0", *map(chr, range(0x2010, 0x2016))}
