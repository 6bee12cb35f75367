"""What people are told when something cannot be done."""

from __future__ import annotations

import pytest

from shared.contracts.problems import FieldError, Problem
from tests.vedette.lab import Lab, Vedette
from vedette.cli import failure
from vedette.refusals import RequestWrong


def test_a_wrong_token_is_told_where_the_right_one_is(lab: Lab, vedette: Vedette) -> None:
    ran = vedette("jobs", "list", "--url", lab.url, "--token", "wrong")
    assert ran.code == 4
    assert "VEDETTE_TOKEN" in ran.err
    assert "$VEDETTE_HOME/token" in ran.err
    assert "Bearer" not in ran.err


@pytest.mark.parametrize("arguments", [("--token", "wrong", "jobs", "list"), ("jobs", "list", "--token", "wrong")])
def test_a_token_for_no_gateway_is_refused(
    vedette: Vedette, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.delenv("VEDETTE_URL", raising=False)
    ran = vedette(*arguments)
    assert ran.code == 2
    assert "--url" in ran.err


def test_a_host_without_its_kind_is_told_the_command(vedette: Vedette) -> None:
    ran = vedette("scan", "127.0.0.1")
    assert ran.code == 2
    assert "fix: vedette scan host 127.0.0.1\n" in ran.err


@pytest.mark.parametrize("command", ["list", "watch", "wait"])
def test_what_is_no_batch_is_no_batch(lab: Lab, vedette: Vedette, command: str) -> None:
    ran = vedette("jobs", command, "--batch", "nope")
    assert ran.code == 5
    assert "There is no batch with this id." in ran.err


def test_one_wrong_target_of_several_says_that_none_was_submitted(lab: Lab, vedette: Vedette) -> None:
    for wrong in ("no name", "169.254.169.254"):
        ran = vedette("scan", "host", "127.0.0.1", wrong, "--no-wait")
        assert ran.code in {2, 4}
        assert "othing was submitted" in ran.err
        assert "/target" not in ran.err


def test_words_of_others_are_told_with_their_place(capsys: pytest.CaptureFixture[str]) -> None:
    error = RequestWrong("Two are wrong.")
    fields = [
        FieldError(pointer="/targets/1/host", detail="Field required"),
        FieldError(pointer="/reports/0", detail="'docx' is unknown."),
        FieldError(pointer="", detail="query parameter limit: too many"),
    ]
    error.problem = Problem(title="Wrong", status=422, code="wrong", errors=fields)
    failure.show(error)
    said = capsys.readouterr().err.splitlines()
    assert said[1:] == [
        "  targets 1 host: Field required",
        "  'docx' is unknown.",
        "  query parameter limit: too many",
    ]


def test_a_field_inside_a_list_is_refused_and_one_inside_a_record_is_not(lab: Lab, vedette: Vedette) -> None:
    vedette("scan", "host", "127.0.0.1", "--ports", "1", "--wait", "--report", "none")
    refused = vedette("jobs", "get", "--fields", "steps.state")
    assert refused.code == 2
    assert "--fields steps" in refused.err
    assert vedette("jobs", "get", "--fields", "severities.high,failure.code").code == 0


@pytest.mark.parametrize(
    ("to", "variable"), [("https://example.org/x", "VEDETTE_WEBHOOK_SECRET"), ("ann@example.org", "VEDETTE_SMTP_URL")]
)
def test_a_notification_that_lacks_its_setting_is_warned_of_before_the_scan(
    vedette: Vedette, monkeypatch: pytest.MonkeyPatch, to: str, variable: str
) -> None:
    for name in ("VEDETTE_URL", "VEDETTE_WEBHOOK_SECRET", "VEDETTE_SMTP_URL"):
        monkeypatch.delenv(name, raising=False)
    arguments = ("scan", "host", "127.0.0.1", "--notify", to, "--no-wait")
    ran = vedette(*arguments)
    assert ran.code == 2  # no stack runs, and none is started
    assert ran.err.count("warning: ") == 1
    assert variable in ran.err
    monkeypatch.setenv(variable, "x")
    assert "warning" not in vedette(*arguments).err


def test_a_dry_run_says_that_a_network_is_its_usable_hosts(vedette: Vedette) -> None:
    ran = vedette("scan", "host", "127.0.0.4/30", "--dry-run")
    assert "127.0.0.5, 127.0.0.6\n" in ran.out
    assert "usable hosts" in ran.out
    assert "usable hosts" not in vedette("scan", "host", "127.0.0.4", "--dry-run").out
