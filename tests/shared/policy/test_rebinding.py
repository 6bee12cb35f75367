"""DNS rebinding, with a real name server that answers differently the second time, in a network of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.namespace import in_own_network


@pytest.mark.parametrize(
    ("to", "rule"),
    [("169.254.169.254", "never"), ("127.0.0.1", "closed"), ("10.0.0.1", "closed"), ("0.0.0.0", "never")],
)
def test_a_name_that_turns_inward_after_its_submission_gets_no_packet(tmp_path: Path, to: str, rule: str) -> None:
    assert in_own_network(tmp_path, "tests.nameserver", "rebound", to) == [f"refused: {rule} [0]"]


def test_a_scan_connects_to_the_address_that_was_judged_and_asks_for_no_other(tmp_path: Path) -> None:
    assert in_own_network(tmp_path, "tests.nameserver", "pinned") == ["1 port · 1 open 1 True 0"]


def test_a_webhook_is_sent_to_the_address_that_was_judged_and_judged_anew_the_next_time(tmp_path: Path) -> None:
    assert in_own_network(tmp_path, "tests.nameserver", "webhook") == ["b'HTTP/1.1 204' 1 [1]", "refused: never [1]"]
