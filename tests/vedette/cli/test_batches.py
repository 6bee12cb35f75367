"""`vedette batch` against a real gateway."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.vedette.lab import Lab, Vedette


@pytest.fixture
def batch(lab: Lab, vedette: Vedette) -> str:
    """The id of a batch of three jobs that nobody carries out."""
    del lab
    Path("hosts.txt").write_text("# the office\n127.0.0.1\n\n127.0.0.2-3  # two more\n")
    ran = vedette(*("batch", "create", "hosts.txt", "--name", "office", "--report", "none"), *("--tag", "do=hold"), *ID)
    assert ran.code == 0, ran.err
    return ran.out.strip()


ID = ("-o", "id")


def test_a_file_becomes_a_batch_that_any_piece_of_its_id_names(batch: str, vedette: Vedette) -> None:
    for piece in (batch, batch[-8:]):
        seen = json.loads(vedette("batch", "get", piece, "-o", "json").out)
        assert (seen["id"], seen["name"], seen["total"]) == (batch, "office", 3)
    assert vedette("batch", "list", "--limit", "1", *ID).out.split() == [batch]
    assert batch[-8:] in vedette("batch", "list").out


def test_the_same_key_makes_one_batch(batch: str, vedette: Vedette) -> None:
    asked = ("batch", "create", "hosts.txt", "--tag", "do=hold", "--idempotency-key", batch, *ID)
    assert vedette(*asked).out == vedette(*asked).out != ""


def test_cancelling_has_to_be_confirmed(batch: str, vedette: Vedette) -> None:
    ran = vedette("batch", "cancel", batch[-8:])
    assert (ran.code, "--yes" in ran.err) == (2, True)
    ran = vedette("batch", "cancel", batch[-8:], "--yes", "--no-wait", *ID)
    assert (ran.code, len(ran.out.split())) == (0, 1)


def test_what_is_no_batch_is_refused(lab: Lab, vedette: Vedette) -> None:
    del lab
    assert vedette("batch", "get", "00000000").code == 5
    assert vedette("batch", "get", "../x").code == 2
    assert vedette("batch", "create", "absent.txt").code == 2
    Path("wrong.txt").write_text("127.0.0.1\n10.0.0.999\n")
    assert vedette("batch", "create", "wrong.txt").code == 2
