"""What a drill counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.contracts.events import Event, EventType
from shared.contracts.finding import ChangeState, Finding, Severity
from shared.contracts.job import JobState, JobView
from shared.contracts.report import ReportView
from vedette.drill.scorecard import Effects, Scorecard, again, fill, recovery

AT = datetime(2026, 1, 1, tzinfo=UTC)


def _job(name: str, state: JobState = JobState.SUCCEEDED) -> JobView:
    asked = {"kind": "host", "target": "127.0.0.1", "request": {}, "profile": "standard", "priority": "normal"}
    return JobView.model_validate(
        {"id": name, "org_id": "local", "lane": "scan", "state": state, "created_at": AT} | asked
    )


def _finding(rule: str, change: ChangeState = ChangeState.NEW) -> Finding:
    texts = dict.fromkeys(("title", "subject", "what", "why", "fix"), "x")
    return Finding(rule=rule, severity=Severity.LOW, change=change, **texts)


def _report(form: str) -> ReportView:
    return ReportView.model_construct(format=form)


def _event(kind: EventType, after_s: float, stage: str = "scan") -> Event:
    return Event(type=kind, at=AT + timedelta(seconds=after_s), org_id="local", job_id="a", stage=stage)


def _effects(name: str, rules: str = "r", forms: str = "j", notices: int | None = 1) -> Effects:
    return Effects(_job(name), [_finding(rule) for rule in rules], [_report(form) for form in forms], [], notices)


def _filled(*effects: Effects, submitted: int | None = None) -> Scorecard:
    card = Scorecard("kill-worker", submitted or len(effects))
    fill(card, [each.job for each in effects], effects, _effects("usual"))
    return card


def test_jobs_with_the_usual_effects_pass() -> None:
    card = _filled(_effects("a"), _effects("b"))
    assert (card.ended, card.lost, card.twice, card.missing, card.is_passed) == (2, 0, 0, 0, True)


def test_every_effect_that_is_there_more_than_once_is_counted() -> None:
    card = _filled(_effects("a", rules="rrr"), _effects("b", forms="jj"), _effects("c", notices=2))
    assert (card.twice_findings, card.twice_reports, card.twice_notifications) == (2, 1, 1)
    assert not card.is_passed


def test_effects_that_an_undisturbed_job_has_are_missed() -> None:
    assert _filled(_effects("a", rules=""), _effects("b", forms="")).missing == 2
    assert _filled(_effects("a", notices=0)).missing == 1
    assert _filled(_effects("a", notices=None)).twice_notifications is None


def test_findings_of_earlier_scans_count_for_nothing() -> None:
    earlier = [_finding("r", ChangeState.STANDING), _finding("s", ChangeState.FIXED)]
    card = _filled(Effects(_job("a"), [_finding("r"), *earlier], [_report("j")], [], 1))
    assert card.is_passed


def test_a_job_that_did_not_end_is_lost_and_one_that_failed_is_named() -> None:
    card = Scorecard("kill-worker", 2)
    fill(card, [_job("a", JobState.RUNNING), _job("b", JobState.DEAD)], [], _effects("usual"))
    assert (card.ended, card.lost) == (1, 1)
    assert card.failures == ["b dead: no reason given"]
    assert not card.is_passed


def test_a_step_that_began_twice_without_being_put_off_was_redelivered() -> None:
    start, retry = EventType.STAGE_STARTED, EventType.STAGE_RETRYING
    lost = [_event(start, 0), _event(start, 9)]
    put_off = [_event(start, 0), _event(retry, 1), _event(start, 9)]
    other = [_event(start, 0), _event(EventType.STAGE_FINISHED, 1), _event(start, 2, "process")]
    assert [len(again(timeline)) for timeline in (lost, put_off, other)] == [1, 0, 0]


def test_recovery_is_the_last_redelivery_or_else_the_next_start() -> None:
    start = EventType.STAGE_STARTED
    harmed_at = (AT + timedelta(seconds=5)).timestamp()
    plain = Effects(_job("a"), [], [], [_event(start, 0), _event(EventType.STAGE_FINISHED, 1), _event(start, 7)], None)
    lost = Effects(_job("b"), [], [], [_event(start, 4), _event(start, 15)], None)
    assert recovery([plain], harmed_at) == (2.0, 0)
    assert recovery([plain, lost], harmed_at, "scan") == (10.0, 1)
    assert recovery([plain], harmed_at, "report") is None
    assert recovery([], harmed_at) is None
