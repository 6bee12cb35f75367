"""The internals of kombu, Celery and redis-py that the transport relies on. They are no interface, so they may change.

When one of these fails after an update, read how the named thing works now, and `shared/broker/transport.py` with it.
"""

from __future__ import annotations

import inspect
from importlib.metadata import version
from typing import Any

import celery.worker.state
import pytest
import redis
from billiard import pool
from celery.app import amqp as celery_amqp
from celery.app import base as celery_app
from celery.apps import worker as celery_apps_worker
from celery.concurrency import asynpool, prefork
from celery.concurrency import base as celery_base
from celery.worker import request as celery_request
from celery.worker import worker as celery_worker
from celery.worker.consumer import consumer as celery_consumer
from celery.worker.consumer import tasks as celery_tasks
from kombu import messaging, pools
from kombu import transport as transports
from kombu.connection import Connection
from kombu.message import Message
from kombu.transport import redis as stock
from kombu.transport import virtual
from kombu.utils.imports import symbol_by_name

from shared.broker import consumer as our_consumer
from shared.broker import keys
from shared.broker import request as our_request
from shared.broker.letter import settled
from shared.broker.qos import QoS
from shared.broker.sealing import AMQP, Producer
from shared.broker.transport import Channel, Transport
from shared.queue import app

# What is overridden or called: owner, name, the parameters that it must have, in their order.
METHODS: list[tuple[type, str, str]] = [
    (stock.Channel, "_brpop_start", "self timeout"),
    (stock.Channel, "_brpop_read", "self **options"),
    (stock.Channel, "_flush_brpop_reauth", "self"),
    (stock.Channel, "_connparams", "self asynchronous"),
    (stock.Channel, "_queue_bind", "self exchange routing_key pattern queue"),
    (stock.Channel, "_put", "self queue message **kwargs"),
    (stock.Channel, "_get", "self queue"),
    (stock.Channel, "_size", "self queue"),
    (stock.Channel, "conn_or_acquire", "self client"),
    (stock.Channel, "basic_consume", "self queue *args **kwargs"),
    (stock.Channel, "close", "self"),
    (virtual.Channel, "basic_consume", "self queue no_ack callback consumer_tag **kwargs"),
    (virtual.Channel, "basic_get", "self queue no_ack **kwargs"),
    (virtual.Channel, "basic_ack", "self delivery_tag multiple"),
    (virtual.Channel, "basic_reject", "self delivery_tag requeue"),
    (virtual.Channel, "_lookup", "self exchange routing_key default"),
    (virtual.Channel, "_get_message_priority", "self message reverse"),
    (virtual.Channel, "typeof", "self exchange default"),
    (virtual.Transport, "_deliver", "self message queue"),
    (virtual.QoS, "can_consume", "self"),
    (virtual.QoS, "append", "self message delivery_tag"),
    (virtual.QoS, "ack", "self delivery_tag"),
    (virtual.QoS, "restore_unacked_once", "self stderr"),
    (stock.QoS, "reject", "self delivery_tag requeue"),
    (stock.QoS, "restore_unacked", "self client"),
    (stock.QoS, "restore_by_tag", "self tag client leftmost"),
    (stock.QoS, "restore_visible", "self start num interval"),
    (stock.MultiChannelPoller, "_register_BRPOP", "self channel"),
    (stock.MultiChannelPoller, "_on_connection_disconnect", "self connection"),
    (virtual.Message, "__init__", "self payload channel **kwargs"),
    (celery_request.Request, "acknowledge", "self"),
    (celery_request.Request, "reject", "self requeue"),
    (celery_consumer.Consumer, "on_close", "self"),
    (celery_consumer.Consumer, "ensure_connected", "self conn"),
    (celery_consumer.Consumer, "on_connection_error_after_connected", "self exc"),
    (celery_tasks.Tasks, "qos_global", "self c"),
    (celery_consumer.Consumer, "create_task_handler", "self promise"),
    (celery_consumer.Consumer, "on_unknown_message", "self body message"),
    (celery_consumer.Consumer, "on_unknown_task", "self body message exc"),
    (celery_consumer.Consumer, "on_invalid_task", "self body message exc"),
    (celery_consumer.Consumer, "on_decode_error", "self message exc"),
    (celery_request.Request, "on_failure", "self exc_info send_failed_event return_ok"),
    (celery_request.Request, "on_timeout", "self soft timeout"),
    (celery_request.Request, "execute_using_pool", "self pool **kwargs"),
    (celery_request.Request, "send_event", "self type **fields"),
    (celery_tasks.Tasks, "shutdown", "self c"),
    (messaging.Producer, "_prepare", "self body serializer content_type content_encoding compression headers"),
    (pools.Producers, "create", "self connection limit"),
    (celery_base.BasePool, "maintain_pool", "self *args **kwargs"),
]


def source(of: Any) -> str:
    return inspect.getsource(of)


@pytest.mark.parametrize(
    ("owner", "name", "parameters"), METHODS, ids=lambda value: getattr(value, "__qualname__", value)
)
def test_a_method_that_we_override_or_call_is_as_it_was(owner: type, name: str, parameters: str) -> None:
    found = getattr(owner, name, None)
    assert found is not None, f"{owner.__module__}.{owner.__qualname__}.{name} is gone"
    stars = {inspect.Parameter.VAR_KEYWORD: "**", inspect.Parameter.VAR_POSITIONAL: "*"}
    is_now = " ".join(stars.get(p.kind, "") + p.name for p in inspect.signature(found).parameters.values())
    assert is_now == parameters, f"{owner.__qualname__}.{name} has other parameters now"


@pytest.mark.parametrize("package", ["celery", "kombu"])
def test_the_version_is_one_that_was_looked_at(package: str) -> None:
    assert version(package).startswith("5.7."), f"{package} {version(package)}: read its changes, then this file"


def test_attributes_of_a_channel_are_where_they_were() -> None:
    assert stock.Channel._in_poll is False
    assert (stock.Channel.unacked_key, stock.Channel.unacked_index_key) == (keys.UNACKED, keys.LEASES)
    assert (stock.Channel.sep, list(stock.PRIORITY_STEPS)) == (keys.SEPARATOR, list(keys.STEPS))
    made = source(stock.Channel.__init__)
    for name in ("_expires", "_queue_cycle", "connection_errors", "brpop_timeout", "'BRPOP': self._brpop_read"):
        assert name in made, f"a channel has no {name} any more"
    assert "_delivered = OrderedDict()" in source(virtual.QoS.__init__)


def test_pauses_between_attempts_to_connect_can_be_given() -> None:
    assert {"interval_start", "interval_step", "interval_max"} <= set(
        inspect.signature(Connection._ensure_connection).parameters
    )
    assert "conn.ensure_connection(" in source(celery_consumer.Consumer.ensure_connected)


def test_kombu_takes_the_transport_from_the_scheme_of_the_url() -> None:
    assert transports.TRANSPORT_ALIASES.keys() >= {"redis", "rediss"}
    assert isinstance(vars(transports)["_transport_cache"], dict)
    assert "hostname.split('+', 1)" in source(Connection.__init__), (
        "is broker_transport heeded for redis+socket:// now?"
    )


def test_a_consumer_builds_the_message_with_the_channels_class_and_then_registers_it() -> None:
    consume = source(virtual.Channel.basic_consume)
    built, registered = consume.index("self.Message("), consume.index("self.qos.append(")
    assert built < registered < consume.index("return callback(message)")


def test_a_worker_that_stops_says_so_before_it_closes_its_channel() -> None:
    assert {"should_stop", "should_terminate"} <= set(vars(celery.worker.state))
    assert celery.worker.state.should_stop is None


def test_a_lost_connection_closes_the_channel_and_leaves_running_tasks() -> None:
    lost = source(celery_consumer.Consumer.on_connection_error_after_connected)
    assert "self.connection.collect" in lost
    assert "worker_cancel_long_running_tasks_on_connection_loss" in lost
    assert "worker_enable_prefetch_count_reduction" in lost
    assert app.conf.worker_cancel_long_running_tasks_on_connection_loss is False
    assert app.conf.worker_enable_prefetch_count_reduction is False


def test_a_running_request_is_known_by_its_message() -> None:
    assert "self._message = message" in source(celery_request.Request.__init__)
    assert len(celery.worker.state.active_requests) == 0
    assert "add_active_request(request)" in source(celery.worker.state.task_accepted)


def test_ours_is_what_kombu_uses() -> None:
    assert Transport.Channel is Channel
    assert Channel.QoS is QoS
    assert issubclass(Transport, stock.Transport)
    assert "lease_s" in Channel.from_transport_options


def test_errors_of_redis_that_a_worker_survives_are_connection_errors() -> None:
    survived = (redis.ConnectionError, redis.TimeoutError, redis.BusyLoadingError)
    assert all(issubclass(error, Transport.connection_errors) for error in survived)
    assert not issubclass(redis.ResponseError, Transport.connection_errors), "then _claim need not catch it"


def test_every_task_has_our_request_and_every_worker_our_consumer() -> None:
    assert symbol_by_name(app.conf.worker_consumer) is our_consumer.Consumer
    assert {symbol_by_name(task.Request) for task in app.tasks.values()} == {our_request.Request}


def test_celery_writes_a_subclass_of_the_request_for_each_task() -> None:
    made = source(celery_request.create_request_cls)
    assert "class Request(base)" in made
    assert "return self.on_failure(retval, return_ok=True)" in made
    assert "def execute_using_pool" in made  # so that guarding our own would not do


def test_a_revoked_request_gives_its_place_back() -> None:
    process = source(celery_worker.WorkController._process_task)
    assert process.index("except TaskRevokedError") < process.index("self._quick_release()")


def test_a_hard_limit_tells_of_the_failure_first_and_of_the_limit_then() -> None:
    limit = source(pool.TimeoutHandler.on_hard_timeout)
    assert limit.index("job._set(") < limit.index("job.handle_timeout(soft=False)") < limit.index("self._trywaitkill(")


def test_a_child_that_died_is_told_as_a_lost_worker_and_one_that_left_as_its_exit() -> None:
    assert "self.mark_as_worker_lost(job, exitcode)" in source(asynpool.AsynPool.on_job_process_lost)
    assert "(SystemExit, KeyboardInterrupt)" in source(pool.Worker.workloop)


def test_the_state_of_a_message_keeps_it_from_being_acknowledged_again() -> None:
    message = Message("")
    for state in ("REJECTED", "REQUEUED"):
        settled(message, state)
        assert message.acknowledged


def test_a_worker_that_is_told_to_stop_signals_it_and_runs_its_timers_while_the_pool_ends() -> None:
    assert "signals.worker_shutting_down.send" in source(celery_apps_worker._shutdown_handler)
    assert "hub.fire_timers()" in source(prefork.TaskPool.on_stop)
    assert "worker_process_init.send" in source(prefork.process_initializer)


def test_every_task_is_sent_by_a_producer_of_our_pool() -> None:
    assert isinstance(app.amqp, AMQP)
    assert "return self.amqp.producer_pool" in source(celery_app.Celery.producer_pool.fget)  # type: ignore[attr-defined]
    assert "self.producer_pool.acquire" in source(celery_app.Celery._acquire_producer)  # type: ignore[attr-defined]
    assert "amqp.Producer(connection" in source(celery_app.Celery.send_task)  # the other way, and ours too
    assert "with self.producer_or_acquire(producer)" in source(celery_app.Celery.send_task)
    assert "self.Producer = kwargs.pop('Producer', None)" in source(pools.ProducerPool.__init__)
    assert app.amqp.Producer is Producer
    assert "_producer_pool = None" in source(celery_app.Celery._after_fork)  # type: ignore[attr-defined]


def test_a_producer_prepares_a_body_once_its_headers_are_whole() -> None:
    sends = source(celery_amqp.AMQP._create_task_sender)
    assert sends.index("send_before_publish(") < sends.index("producer.publish")
    publishes = source(messaging.Producer.publish)
    assert publishes.index("self._prepare(") < publishes.index("return _publish(")


def test_celery_decodes_what_the_message_holds_when_it_gets_it() -> None:
    made = source(celery_request.Request.__init__)
    for name in ("message.content_type", "message.content_encoding"):
        assert name in made, f"a request takes {name} from elsewhere now"
    assert app.conf.accept_content == ["json"]


def test_nobody_commands_workers_by_messages_that_are_not_signed() -> None:
    assert app.conf.worker_enable_remote_control is False
    assert app.conf.worker_send_task_events is False
