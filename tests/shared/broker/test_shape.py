from __future__ import annotations

import json
from typing import Any

import pytest
from celery.worker.request import create_request_cls
from hypothesis import given
from hypothesis import strategies as st
from kombu.message import Message
from kombu.utils.json import dumps

from services.scan import app
from shared.broker.request import Request
from shared.broker.shape import Unsound, check
from shared.contracts.dead_letter import Reason

ENVELOPE = {"job_id": "j", "org_id": "o", "kind": "host", "lane": "scan"}
HEADERS = {"task": "scan.run", "id": "j.scan", "retries": 0, "timelimit": [300, 270.5], "eta": None}
BODY = [[ENVELOPE], {}, {"chain": [{"task": "process.run"}], "callbacks": None}]

# Whatever JSON can hold, and now and then what a header should be.
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)
names = st.sampled_from([*HEADERS, "expires", "shadow", "root_id", "stamps", "stamped_headers", "group", "compression"])


def message(headers: Any, body: object, **fields: Any) -> Message:
    known = {"content_type": "application/json", "content_encoding": "utf-8", "delivery_info": {}, "properties": {}}
    made = Message(json.dumps(body), **{**known, **fields})
    made.headers = headers
    made.accept = {"application/json"}
    return made


def refusal(headers: Any, body: object, **fields: Any) -> Reason | None:
    try:
        check(message(headers, body, **fields), app.tasks)
    except Unsound as exc:
        return exc.reason
    return None


@given(changed=st.dictionaries(names, anything, max_size=3), body=st.just(BODY) | anything)
def test_celery_can_work_with_what_passes_and_all_else_is_refused(changed: dict[str, Any], body: object) -> None:
    headers = {**HEADERS, **changed}
    if refusal(headers, body) is None:
        task = app.tasks["scan.run"]
        made = create_request_cls(Request, task, _Pool(), "w@h", None, app=app)(message(headers, body), app=app)
        assert made.args == [ENVELOPE]
        made.execute_using_pool(_Pool())
        json.dumps(made.info())


class _Pool:
    def apply_async(self, *args: Any, **kwargs: Any) -> None:
        assert kwargs["timeout"] is None or kwargs["timeout"] > 0


@given(headers=anything, body=anything, properties=anything, info=anything, kind=anything)
def test_nothing_but_a_refusal_comes_of_anything(
    headers: object, body: object, properties: object, info: object, kind: object
) -> None:
    odd = message(headers, body)
    odd.properties, odd.delivery_info, odd.content_type = properties, info, kind  # type: ignore[assignment]
    with pytest.raises(Unsound) as refused:
        check(odd, app.tasks)
    assert len(refused.value.message) < 600


def test_a_refusal_tells_which_field_and_not_what_was_in_it() -> None:
    with pytest.raises(Unsound) as refused:
        check(message({**HEADERS, "id": ["secret"]}, BODY), app.tasks)
    assert "id" in refused.value.message
    assert "secret" not in refused.value.message


@pytest.mark.parametrize(
    "more", [{}, {"countdown": 5.0}, {"time_limit": 300.0, "soft_time_limit": 90.5}, {"retries": 3}]
)
def test_what_celery_writes_passes(more: dict[str, Any]) -> None:
    written = app.amqp.as_task_v2("j.scan", "scan.run", [ENVELOPE], chain=[app.signature("process.run")], **more)
    assert refusal(written.headers, json.loads(dumps(written.body))) is None


def test_a_task_of_celery_itself_is_refused() -> None:
    assert "celery.chain" in app.tasks
    assert refusal({**HEADERS, "task": "celery.chain"}, [[], {}, {}]) is Reason.UNREGISTERED
