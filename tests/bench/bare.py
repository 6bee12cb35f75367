"""The baseline: four bare Celery tasks on stock settings, one queue each. The last one counts."""

from __future__ import annotations

import os

import redis
from celery import Celery

app = Celery("bare", broker=os.environ["BARE_BROKER"])
app.conf.update(task_ignore_result=True, task_acks_late=True, worker_prefetch_multiplier=1)
app.conf.task_routes = {f"bare.{name}": {"queue": f"bare.{name}"} for name in ("scan", "process", "report", "notify")}
counter = redis.Redis.from_url(os.environ["BARE_COUNTER"])


@app.task(name="bare.scan")
def scan(message: dict[str, str]) -> dict[str, str]:
    return message


@app.task(name="bare.process")
def process(message: dict[str, str]) -> dict[str, str]:
    return message


@app.task(name="bare.report")
def report(message: dict[str, str]) -> dict[str, str]:
    return message


@app.task(name="bare.notify")
def notify(message: dict[str, str]) -> dict[str, str]:
    counter.incr("bare:done")
    return message
