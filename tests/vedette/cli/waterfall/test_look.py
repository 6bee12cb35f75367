"""How wide a waterfall is, and with which signs, where nobody says so."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.vedette.cli.waterfall.falling import retried
from vedette.cli.waterfall import Look
from vedette.cli.waterfall.drawing import LEAST
from vedette.cli.waterfall.glyphs import ASCII
from vedette.cli.waterfall.look import NO_TERMINAL

AS_IS = Look(is_whole=False, is_even=False, width=None)


def console(width: int, *, is_terminal: bool) -> Console:
    return Console(file=io.TextIOWrapper(io.BytesIO(), "ascii"), width=width, force_terminal=is_terminal)


@pytest.mark.parametrize(("width", "drawn"), [(150, 150), (LEAST - 20, LEAST)])
def test_on_a_terminal_it_is_as_wide_as_that_but_never_too_narrow(width: int, drawn: int) -> None:
    assert AS_IS.of(retried(), console(width, is_terminal=True)).width == drawn


def test_in_a_file_it_has_a_width_of_its_own_and_signs_that_the_file_can_take() -> None:
    waterfall = AS_IS.of(retried(), console(60, is_terminal=False))
    assert (waterfall.width, waterfall.glyphs) == (NO_TERMINAL, ASCII)


def test_what_the_user_chose_goes_before_the_terminal() -> None:
    chosen = Look(is_whole=True, is_even=True, width=77).of(retried(), console(150, is_terminal=True))
    assert (chosen.width, chosen.is_whole, chosen.is_even) == (77, True, True)
