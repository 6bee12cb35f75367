"""Every setting, read once from the environment (`VEDETTE_…`, or a file named by `VEDETTE_…_FILE`) and passed in.

Defaults work on a laptop. A unit is part of each name. Secrets are `SecretStr` and never printed.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, unquote, urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from shared.errors import InvalidInput

PREFIX = "VEDETTE_"


class SecretUnreadable(InvalidInput):
    """A file that a `…_FILE` variable names cannot be read. The message holds nothing of its content."""


class Settings(BaseSettings):
    """The settings of one process."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True, hide_input_in_errors=True)

    environment: Literal["local", "production"] = "local"

    # where things are
    redis_url: SecretStr = Field(
        default=SecretStr("redis://127.0.0.1:6379"), description="redis://, rediss:// or unix://"
    )
    redis_broker_db: int = 0
    redis_bus_db: int = 1
    database_url: SecretStr = Field(
        default=SecretStr("sqlite:///vedette.db"), description="sqlite:/// or postgresql://"
    )

    run_dir: str = Field(default="", description="where heart-beats go; empty: the folder for temporary files")

    # the door
    gateway_host: str = "127.0.0.1"
    gateway_port: int = 8000
    gateway_fd: int | None = Field(default=None, description="a listening socket that was inherited, instead of both")
    gateway_public_url: str = ""
    trusted_proxies: list[str] = Field(
        default=[], description="networks whose X-Forwarded-For is believed (JSON list), as 10.0.0.0/24"
    )
    token: SecretStr = SecretStr("")
    master_key: SecretStr = Field(
        default=SecretStr(""),
        description="seals and signs messages, secrets and log-ins: `<id>:<32 bytes in base64>`, the current one first;"
        " after a comma those of before",
    )

    # what may be scanned
    private_targets: bool = Field(
        default=False,
        description="everybody may scan loopback, private and reserved networks; else only where a rule grants it",
    )

    own_services: list[str] = Field(
        default=[],
        description="services of the installation that no other setting of this process names, `host:port` (JSON list):"
        " never scanned, and never told",
    )

    # limits
    stage_soft_limit_s: int = 270
    stage_hard_limit_s: int = 300
    lease_s: float = Field(
        default=8.0,
        gt=0,
        description="a worker that is silent for so long loses its messages; they run again within twice this",
    )
    worker_is_alone: bool = Field(
        default=False, description="the only worker of its service: at its start it takes back what an earlier one held"
    )
    stage_memory_limit_mb: int = Field(
        default=2048, ge=0, description="what a stage may allocate before it fails with MemoryError; 0: no limit"
    )
    stage_cpu_limit_s: int = Field(
        default=240, ge=0, description="CPU time of one run of a stage, then it fails; 0: no limit"
    )
    stage_open_files: int = Field(default=4096, ge=0, description="files and sockets of a stage at once; 0: no limit")
    stage_file_limit_mb: int = Field(
        default=4096,
        ge=0,
        description="the size of one file that a stage writes, also that of an SQLite database; 0: no limit",
    )
    stop_grace_s: float = Field(
        default=300.0, ge=0, description="a worker told to stop gives its stages so long; what is left goes back"
    )
    job_deadline_s: int = 3600
    jobs_per_hour: int | None = Field(
        default=None,
        ge=1,
        description="jobs that an organisation may submit in an hour, unless it has a limit of its own",
    )
    concurrent_jobs: int | None = Field(
        default=None, ge=1, description="jobs of an organisation at once, others wait; unless it has its own limit"
    )
    targets_per_batch: int | None = Field(
        default=None, ge=1, description="single targets of one submission, unless the organisation has its own limit"
    )
    requests_per_minute: int | None = Field(
        default=1200, ge=1, description="requests of one caller, unless the organisation or member has another limit"
    )
    blob_limit_bytes: int = 32 * 1024 * 1024

    # the reconciler
    reconcile_every_s: float = 5.0
    republish_after_s: float = Field(
        default=10.0, description="a job or step that nobody has for so long is looked after; workers need 2 s to say"
    )

    dead_letter_keep_days: float = Field(
        default=90.0,
        gt=0,
        description="dead letters that are dealt with are deleted then; open ones never",
    )

    # notifications
    notify: list[str] = Field(default=[], repr=False, description="destinations told of every job, URLs (JSON list)")
    notify_timeout_s: float = 10.0
    notify_private_addresses: bool = Field(default=False, description="webhooks may go to private addresses")
    webhook_secret: SecretStr = SecretStr("")
    smtp_url: SecretStr = Field(
        default=SecretStr(""), description="smtp://user:pw@host:587 (STARTTLS) or smtps://…:465"
    )
    mail_from: str = "Vedette <vedette@localhost>"

    # figures
    metrics_token: SecretStr = Field(
        default=SecretStr(""), description="opens /metrics and nothing else; the installation's own token does as well"
    )
    metrics_orgs_count: int = Field(
        default=0, ge=0, le=100, description="organisations named in /metrics, those with most jobs; 0: none"
    )

    # alerts
    alert_notify: list[str] = Field(
        default=[], repr=False, description="destinations told of alerts by control, as those of `notify` (JSON list)"
    )
    alert_hold_s: float = Field(default=30.0, ge=0, description="what is wrong for so long is an alert")
    alert_calm_s: float = Field(default=60.0, ge=0, description="what is well again for so long is over")
    alert_remind_s: float = Field(default=14_400.0, gt=0, description="until an alert nobody looks after is told again")
    alert_notices_per_hour: int = Field(default=30, ge=1, description="to each destination; more is left out")
    alert_queue_age_s: float = Field(default=300.0, gt=0, description="the oldest message of a queue waited so long")
    alert_stage_s: float = Field(default=180.0, gt=0, description="one in twenty runs of a stage takes so long")
    alert_failure_ratio: float = Field(default=0.5, gt=0, le=1, description="share of jobs of 15 minutes that failed")
    alert_least_jobs_count: int = Field(default=10, ge=1, description="of fewer that ended no share is told")
    alert_dead_letters_count: int = Field(default=20, ge=1, description="dead letters that came in during 15 minutes")

    # traces and logs
    tracing: bool = Field(
        default=True, description="keep the spans of jobs; they go to an OTLP endpoint whenever OTEL_… names one"
    )
    trace_keep_days: float = Field(default=14.0, gt=0, description="spans and log lines of jobs are deleted then")
    trace_sample_ratio: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="share of jobs whose spans are kept; of those that failed or were slow, all are",
    )
    trace_slow_s: float = Field(
        default=60.0, gt=0, description="a job that took longer from its sending to its end was slow"
    )
    log_format: Literal["auto", "console", "json"] = "auto"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @property
    def broker_url(self) -> str:
        """The broker's URL in kombu's form: a socket is `redis+socket://…?virtual_host=N` there."""
        return _redis(self.redis_url.get_secret_value(), self.redis_broker_db, for_kombu=True)

    @property
    def broker_client_url(self) -> str:
        """The broker's URL in redis-py's form."""
        return _redis(self.redis_url.get_secret_value(), self.redis_broker_db, for_kombu=False)

    @property
    def bus_url(self) -> str:
        """The bus's URL in redis-py's form."""
        return _redis(self.redis_url.get_secret_value(), self.redis_bus_db, for_kombu=False)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, _SecretFiles(settings_cls)


@cache
def settings() -> Settings:
    """Return the settings of this process.

    Raises pydantic.ValidationError or pydantic_settings.SettingsError naming the field that is wrong, and
    SecretUnreadable.
    """
    return Settings()


class _SecretFiles(PydanticBaseSettingsSource):
    """Reads `VEDETTE_X_FILE=/run/secrets/x` for every setting X: orchestrators hand out secrets as files."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ANN401  pydantic's signature
        variable = f"{PREFIX}{field_name.upper()}_FILE"
        path = os.environ.get(variable)
        if not path:
            return None, field_name, False
        try:
            text = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
            raise SecretUnreadable(f"{variable} names {path}, which cannot be read: {why}.") from None
        return self.prepare_field_value(field_name, field, text, self.field_is_complex(field)), field_name, False

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


def _redis(url: str, db: int, *, for_kombu: bool) -> str:
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return parts._replace(path=f"/{db}").geturl()
    # What is quoted stays as it is; what should have been quoted is.
    name, password = (quote(unquote(part or ""), safe="") for part in (parts.username, parts.password))
    login = f"{name}:{password}@" if name or password else ""
    if for_kombu:
        return f"redis+socket://{login}{parts.path}?virtual_host={db}"
    return f"unix://{login}{parts.path}?db={db}"
