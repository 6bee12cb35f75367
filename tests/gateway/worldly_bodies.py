"""What a right request says, by operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.gateway.worldly import PASSWORD, TARGET, World

API = "/api/v1"
QUERIES: dict[str, dict[str, Any]] = {f"DELETE {API}/workers/dlq/clear": {"confirm": True}}
BODIES: dict[str, Callable[[World], Any]] = {
    "POST /api/scan": lambda _: {"target": "127.0.0.1"},
    f"POST {API}/analysis/submit": lambda _: {"target": TARGET},
    f"POST {API}/analysis/submit-bulk": lambda _: {"targets": [TARGET]},
    f"POST {API}/jobs": lambda _: {"target": TARGET},
    f"POST {API}/batches": lambda _: {"targets": [TARGET]},
    f"POST {API}/alerts/{{id}}:acknowledge": lambda _: {},
    f"POST {API}/targets:check": lambda _: {"targets": [TARGET]},
    f"POST {API}/jobs:cancel": lambda world: {"ids": [world.make_job()]},
    f"POST {API}/jobs/{{id}}:resume": lambda _: {"stage": "scan"},
    f"POST {API}/jobs/{{id}}/reports": lambda _: {"format": "html"},
    f"PATCH {API}/jobs/{{id}}": lambda _: {"tags": {"a": "b"}},
    f"POST {API}/findings/{{id}}:triage": lambda _: {"status": "acknowledged"},
    f"POST {API}/findings:triage": lambda _: {"q": "status:open", "status": "acknowledged", "dry_run": True},
    f"POST {API}/dlq/rules": lambda world: world.rule(),
    f"POST {API}/dlq/rules:test": lambda world: world.rule(),
    f"POST {API}/dlq/{{id}}:replay": lambda _: {},
    f"POST {API}/dlq/{{id}}:classify": lambda _: {"failure_class": "permanent"},
    f"POST {API}/dlq/{{id}}:snooze": lambda _: {"until": "2030-01-01T00:00:00Z"},
    f"POST {API}/dlq:replay": lambda _: {"selection": {"all": True}, "dry_run": True},
    f"POST {API}/dlq:discard": lambda _: {"selection": {"all": True}, "dry_run": True},
    f"POST {API}/queues/{{name}}:pause": lambda _: {},
    f"POST {API}/queues/{{name}}:purge": lambda _: {"dry_run": True},
    f"PUT {API}/policies/{{class}}": lambda _: {"retries": 1, "back_off": "none"},
    f"POST {API}/scan-rules": lambda world: world.scan_rule(),
    f"POST {API}/orgs": lambda world: world.org(),
    f"PATCH {API}/orgs/{{org_id}}": lambda _: {"name": "Other"},
    f"POST {API}/users": lambda world: world.email(),
    f"PATCH {API}/users/{{user_id}}": lambda _: {"name": "Other"},
    f"POST {API}/members": lambda world: {"email": world.posted("users", world.email())["email"], "role": "viewer"},
    f"PATCH {API}/members/{{user_id}}": lambda _: {"role": "operator"},
    f"PATCH {API}/quota/members/{{user_id}}": lambda _: {"jobs_per_hour": 1},
    f"PATCH {API}/quota": lambda _: {"jobs_per_hour": 10000},
    f"POST {API}/api-keys": lambda world: world.key(),
    f"POST {API}/api-keys/{{key_id}}:rotate": lambda _: {"overlap_s": 0},
    f"POST {API}/invitations": lambda world: world.email(),
    f"POST {API}/invitations/accept": lambda world: {
        "token": world.posted("invitations", world.email())["token"],
        "password": PASSWORD,
    },
    f"POST {API}/auth/login": lambda world: {"email": world.user()[1], "password": PASSWORD},
    f"POST {API}/auth/session": lambda world: {"email": world.user()[1], "password": PASSWORD},
    f"POST {API}/auth/refresh": lambda world: {"refresh_token": logged_in(world)["refresh_token"]},
    f"POST {API}/auth/logout": lambda _: {"everywhere": False},
    f"POST {API}/auth/switch": lambda _: {"org": "local"},
    f"POST {API}/auth/password": lambda _: {"current": PASSWORD, "new": f"{PASSWORD}-and-more"},
}
OF_USERS = {f"POST {API}/auth/{verb}" for verb in ("logout", "switch", "password")} | {f"DELETE {API}/auth/session"}


def logged_in(world: World) -> dict[str, Any]:
    """Log a fresh member in; return the tokens."""
    return world.posted("auth/login", {"email": world.user()[1], "password": PASSWORD})


def as_user(world: World) -> dict[str, str]:
    """Return the header of a fresh member."""
    return {"Authorization": f"Bearer {logged_in(world)['access_token']}"}
