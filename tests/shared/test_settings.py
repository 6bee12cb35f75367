"""Settings: from the environment or from files of secrets, never shown, and understood by kombu and redis-py alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import redis
from kombu import Connection
from pydantic import ValidationError

from shared import settings as module
from shared import testing
from shared.settings import SecretUnreadable, Settings, settings

SECRET = "s3cret-marmalade"
SECRETS = ("redis_url", "database_url", "token", "webhook_secret", "smtp_url")


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_read_from_a_file_and_stripped(
    name: str, tmp_path: Path, fresh_settings: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n", encoding="utf-8")
    fresh_settings.setenv(f"VEDETTE_{name.upper()}_FILE", str(tmp_path / "secret"))
    assert getattr(Settings(), name).get_secret_value() == SECRET


def test_a_list_is_read_from_a_file(tmp_path: Path, fresh_settings: pytest.MonkeyPatch) -> None:
    (tmp_path / "list").write_text('["mailto:a@example.org", "https://b.example/x"]\n', encoding="utf-8")
    fresh_settings.setenv("VEDETTE_NOTIFY_FILE", str(tmp_path / "list"))
    assert Settings().notify == ["mailto:a@example.org", "https://b.example/x"]


def test_the_variable_itself_wins_over_the_file(tmp_path: Path, fresh_settings: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("from-file", encoding="utf-8")
    fresh_settings.setenv("VEDETTE_TOKEN_FILE", str(tmp_path / "secret"))
    fresh_settings.setenv("VEDETTE_TOKEN", "from-variable")
    assert Settings().token.get_secret_value() == "from-variable"


@pytest.mark.parametrize("content", [None, b"\xff\xfe" + SECRET.encode()])
def test_a_secret_that_cannot_be_read_is_named_and_not_told(
    content: bytes | None, tmp_path: Path, fresh_settings: pytest.MonkeyPatch
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    fresh_settings.setenv("VEDETTE_TOKEN_FILE", str(tmp_path / "secret"))
    with pytest.raises(SecretUnreadable, match="VEDETTE_TOKEN_FILE") as refused:
        Settings()
    assert SECRET not in refused.value.message
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("name", [*SECRETS, "notify"])
def test_no_secret_is_in_what_settings_show(name: str, fresh_settings: pytest.MonkeyPatch) -> None:
    value = f'["https://hooks.example/{SECRET}"]' if name == "notify" else f"redis://:{SECRET}@h"
    fresh_settings.setenv(f"VEDETTE_{name.upper()}", value)
    shown = settings()
    assert SECRET not in repr(shown)
    assert SECRET not in str(shown)
    assert SECRET not in (shown.model_dump_json(exclude={"notify"}))


@pytest.mark.parametrize(
    ("name", "value"), [("notify", f'[{{"{SECRET}": 1}}]'), ("gateway_port", SECRET), ("log_level", SECRET)]
)
def test_a_wrong_value_is_named_and_not_repeated(name: str, value: str, fresh_settings: pytest.MonkeyPatch) -> None:
    fresh_settings.setenv(f"VEDETTE_{name.upper()}", value)
    with pytest.raises(ValidationError, match=name) as refused:
        Settings()
    assert SECRET not in str(refused.value)


def test_settings_do_not_change_and_are_read_once(fresh_settings: pytest.MonkeyPatch) -> None:
    first = settings()
    fresh_settings.setenv("VEDETTE_GATEWAY_PORT", "1")
    assert settings() is first
    with pytest.raises(ValidationError):
        first.gateway_port = 2  # type: ignore[misc]  # that is what is refused


@pytest.mark.parametrize(
    ("url", "broker", "bus"),
    [
        ("redis://127.0.0.1:6379", "redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/1"),
        ("redis://h/7", "redis://h/0", "redis://h/1"),
        ("redis://ann:p%40w@h:1/", "redis://ann:p%40w@h:1/0", "redis://ann:p%40w@h:1/1"),
        (
            "rediss://:pw@[::1]:6380?ssl_cert_reqs=required",
            "rediss://:pw@[::1]:6380/0?ssl_cert_reqs=required",
            "rediss://:pw@[::1]:6380/1?ssl_cert_reqs=required",
        ),
        ("unix:///run/r.sock", "redis+socket:///run/r.sock?virtual_host=0", "unix:///run/r.sock?db=1"),
        (
            "unix://:p%40w%2F@/run/r.sock?db=5",
            "redis+socket://:p%40w%2F@/run/r.sock?virtual_host=0",
            "unix://:p%40w%2F@/run/r.sock?db=1",
        ),
        (
            "unix://ann:p+w@/run/r.sock",
            "redis+socket://ann:p%2Bw@/run/r.sock?virtual_host=0",
            "unix://ann:p%2Bw@/run/r.sock?db=1",
        ),
    ],
)
def test_one_url_is_written_for_both_libraries(
    url: str, broker: str, bus: str, fresh_settings: pytest.MonkeyPatch
) -> None:
    fresh_settings.setenv("VEDETTE_REDIS_URL", url)
    assert (settings().broker_url, settings().bus_url) == (broker, bus)


@pytest.mark.parametrize(("user", "login"), [("default", ":p%40w%2F%3A%25%2B@"), ("ann", "ann:p%40w%2F%3A%25%2B@")])
def test_both_libraries_log_in_with_a_password_of_odd_letters(
    user: str, login: str, fresh_settings: pytest.MonkeyPatch
) -> None:
    with testing.redis_server() as server, redis.Redis.from_url(server.url) as admin:
        admin.acl_setuser(user, enabled=True, passwords=["+p@w/:%+"], categories=["+@all"], keys=["*"], channels=["*"])
        admin.acl_setuser("default", nopass=False, reset_passwords=True, passwords=["+p@w/:%+"], enabled=True)
        fresh_settings.setenv("VEDETTE_REDIS_URL", server.url.replace("unix://", f"unix://{login}"))
        with redis.Redis.from_url(settings().bus_url) as bus, Connection(settings().broker_url) as broker:
            assert bus.acl_whoami() == user
            broker.ensure_connection(max_retries=1)
            channel: Any = broker.default_channel
            assert channel.client.acl_whoami() == user


def test_every_setting_with_a_time_or_size_says_its_unit() -> None:
    units = ("_s", "_bytes", "_mb", "_days", "_db", "_port", "_files", "_ratio", "_count", "_per_hour")
    numbers = [name for name, field in Settings.model_fields.items() if field.annotation in (int, float)]
    assert [name for name in numbers if not name.endswith(units)] == []
    assert module.PREFIX == "VEDETTE_"
