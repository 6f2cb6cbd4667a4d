"""Every setting, its default and its meaning: read from the environment once, then passed on."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from hub.errors import ConfigurationError

Port = Annotated[int, Field(ge=1, le=65_535)]


class _Group(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore")


class DatabaseSettings(_Group):
    model_config = SettingsConfigDict(
        env_prefix="STADSNAV_DATABASE_", frozen=True, env_ignore_empty=True
    )

    url: SecretStr | None = Field(
        None, description="postgresql://user:password@host:5432/database; `up` embeds one if unset"
    )
    pool_size: int = Field(10, ge=2, le=200, description="connections per process, at most")
    replica_url: SecretStr | None = Field(
        None, description="a streaming replica that the API reads rows from; rights never"
    )
    replica_lag_s: float = Field(
        5, gt=0, description="a replica that is further behind than this is not read from"
    )

    @property
    def replica(self) -> str | None:
        return None if self.replica_url is None else self.replica_url.get_secret_value()


class MqttSettings(_Group):
    model_config = SettingsConfigDict(
        env_prefix="STADSNAV_MQTT_", frozen=True, env_ignore_empty=True
    )

    url: SecretStr | None = Field(
        None, description="mqtt://user:password@host:1883 or mqtts://…; `up` embeds one if unset"
    )
    ca_file: Path | None = Field(
        None, description="for mqtts: whom we trust to sign the broker's; unset: this system's"
    )
    certificate_file: Path | None = Field(
        None, description="for mqtts: ingest's own, where the broker asks for one"
    )
    key_file: Path | None = Field(None, description="its private key, without a passphrase")
    port: Port = Field(1883, description="where the embedded broker listens, on 127.0.0.1")
    tls_port: Port = Field(8883, description="with `up --tls`: its port for TLS and passwords")
    mtls_port: Port = Field(8884, description="with `up --tls`: its port for certificates")
    topic: str = Field(
        "v1/devices/+/readings",
        description="what ingest subscribes to; $share/stadsnav/… lets several share the load",
    )
    client_id: str = Field(
        "stadsnav-ingest", min_length=1, description="fixed, so that the broker keeps our session"
    )
    window: int = Field(
        10_000,
        ge=1,
        le=65_535,
        description="the broker's max_inflight_messages; must hold at least one batch",
    )
    password_file: Path | None = Field(
        None, description="Mosquitto's password_file, kept equal to the registry by ingest"
    )
    acl_file: Path | None = Field(None, description="Mosquitto's acl_file, written beside it")
    pid_file: Path | None = Field(
        None, description="Mosquitto's pid_file: told by SIGHUP to read the two again"
    )
    hub_username: str = Field("stadsnav-hub", description="the hub's own user at the broker")
    hub_password_hash: SecretStr | None = Field(
        None, description="its password as `stadsnav admin broker-hash` prints it"
    )


class IngestSettings(_Group):
    model_config = SettingsConfigDict(
        env_prefix="STADSNAV_INGEST_", frozen=True, env_ignore_empty=True
    )

    connector: str = Field("mqtt", description="the name under which the ledger counts")
    format: str = Field(
        "native",
        description="payload format of what STADSNAV_MQTT_TOPIC names; or words FILTER=FORMAT, "
        "each subscribed to as well, such as `v3/+/devices/+/up=ttn`; see [formats](formats.md)",
    )
    max_batch: int = Field(2_000, ge=1, le=50_000, description="readings per commit, at most")
    max_age_ms: int = Field(20, ge=0, le=10_000, description="how long a commit waits for more")
    queue: int = Field(
        10_000, ge=1, description="readings that wait for the commit before; at least one batch"
    )
    payload_bytes: int = Field(256 * 1024, ge=64, description="a longer message is rejected")
    values_per_message: int = Field(5_000, ge=1, description="a message with more is rejected")
    depth: int = Field(16, ge=4, le=100, description="JSON nested in more levels is rejected")
    topic_length: int = Field(256, ge=32, description="a message on a longer topic is rejected")
    device_rate: float = Field(
        50, gt=0, description="messages per second of one device in the long run; more is rejected"
    )
    device_burst: int = Field(
        50_000,
        ge=1,
        description="messages of one device at once, such as piled up while it or the hub was away",
    )
    quarantine_excess: int = Field(
        10_000, ge=0, description="a device with so many messages too many is quarantined; 0: never"
    )
    quarantine_bad_times: int = Field(
        1_000, ge=0, description="so many impossible times in a row: quarantined; 0: never"
    )
    earliest: datetime = Field(
        datetime(2010, 1, 1, tzinfo=UTC), description="an older phenomenon time is rejected"
    )
    ahead_flagged_s: float = Field(30, ge=0, description="clock ahead by more: quality flag 2")
    ahead_refused_s: float = Field(300, ge=0, description="clock ahead by more: rejected")
    metrics_port: Port | None = Field(None, description="serve Prometheus metrics of ingest here")
    metrics_host: str = Field("127.0.0.1", description="address that those metrics listen on")

    @property
    def ahead_flagged(self) -> timedelta:
        return timedelta(seconds=self.ahead_flagged_s)

    @property
    def ahead_refused(self) -> timedelta:
        return timedelta(seconds=self.ahead_refused_s)


class ApiSettings(_Group):
    model_config = SettingsConfigDict(
        env_prefix="STADSNAV_API_", frozen=True, env_ignore_empty=True
    )

    host: str = Field("127.0.0.1", description="address that API and web listen on")
    port: Port = Field(8000, description="port that API and web listen on")
    max_limit: int = Field(50_000, ge=1, description="rows per page, at most")
    stream_s: int = Field(
        3_600, ge=5, description="a stream ends after so long; clients resume by Last-Event-ID"
    )
    certificate_file: Path | None = Field(
        None, description="serve HTTPS with this certificate and its chain (PEM); unset: HTTP"
    )
    key_file: Path | None = Field(None, description="its private key, without a passphrase")
    quarantine_failures: int = Field(
        1_000,
        ge=0,
        description="a device whose password was so often wrong in an hour is quarantined; 0: no",
    )
    broker_hook_secret: SecretStr | None = Field(
        None, min_length=20, description="what a broker that asks the hub (EMQX) proves itself with"
    )
    secure_cookies: bool = Field(
        False,
        description="the page's session cookie is Secure: set it behind a proxy with TLS; with a "
        "certificate of its own it is anyway",
    )

    @property
    def scheme(self) -> str:
        return "http" if self.certificate_file is None else "https"


class MaintainSettings(_Group):
    model_config = SettingsConfigDict(
        env_prefix="STADSNAV_MAINTAIN_", frozen=True, env_ignore_empty=True
    )

    rejections_days: int = Field(
        90, ge=0, le=36_500, description="rejections are deleted after so many days; 0: never"
    )


class ArchiveSettings(_Group):
    model_config = SettingsConfigDict(
        env_prefix="STADSNAV_ARCHIVE_", frozen=True, env_ignore_empty=True
    )

    uri: str | None = Field(
        None, description="folder, or s3://bucket/path: written by `archive`, read by the API"
    )


class AuditSettings(_Group):
    model_config = SettingsConfigDict(
        env_prefix="STADSNAV_AUDIT_", frozen=True, env_ignore_empty=True
    )

    anchors: str | None = Field(
        None,
        description="file, or https://…: where `maintain` writes an anchor of the audit hourly",
    )
    anchors_token: SecretStr | None = Field(
        None, description="sent to that URL as `Authorization: Bearer …`"
    )


class Settings:
    """All groups together, checked against each other."""

    def __init__(self) -> None:
        try:
            self.database = DatabaseSettings()
            self.mqtt = MqttSettings()
            self.ingest = IngestSettings()
            self.api = ApiSettings()
            self.maintain = MaintainSettings()
            self.archive = ArchiveSettings()
            self.audit = AuditSettings()
        except ValidationError as error:
            raise ConfigurationError(_first_fault(error)) from error
        self._check()

    def _check(self) -> None:
        if self.mqtt.window < self.ingest.max_batch:
            raise ConfigurationError(
                f"STADSNAV_MQTT_WINDOW ({self.mqtt.window}) must be at least "
                f"STADSNAV_INGEST_MAX_BATCH ({self.ingest.max_batch}), or batches never fill"
            )
        if self.ingest.queue < self.ingest.max_batch:
            raise ConfigurationError(
                f"STADSNAV_INGEST_QUEUE ({self.ingest.queue}) must be at least "
                f"STADSNAV_INGEST_MAX_BATCH ({self.ingest.max_batch}), or no batch can gather "
                "while the one before is committed"
            )
        if self.ingest.ahead_flagged_s > self.ingest.ahead_refused_s:
            raise ConfigurationError(
                f"STADSNAV_INGEST_AHEAD_FLAGGED_S ({self.ingest.ahead_flagged_s:g}) must not "
                f"exceed STADSNAV_INGEST_AHEAD_REFUSED_S ({self.ingest.ahead_refused_s:g})"
            )
        if self.ingest.earliest.tzinfo is None:
            raise ConfigurationError("STADSNAV_INGEST_EARLIEST needs an offset: end it with Z")
        if (self.mqtt.password_file is None) != (self.mqtt.acl_file is None):
            raise ConfigurationError(
                "STADSNAV_MQTT_PASSWORD_FILE and STADSNAV_MQTT_ACL_FILE go together: set both or "
                "neither"
            )

        self._check_tls()

    def _check_tls(self) -> None:
        for group, prefix in ((self.mqtt, "STADSNAV_MQTT"), (self.api, "STADSNAV_API")):
            if (group.certificate_file is None) != (group.key_file is None):
                raise ConfigurationError(
                    f"{prefix}_CERTIFICATE_FILE and {prefix}_KEY_FILE go together: set both or "
                    "neither"
                )
        url = self.mqtt.url
        if url is not None and not url.get_secret_value().startswith("mqtts:"):
            for name in ("ca_file", "certificate_file"):
                if getattr(self.mqtt, name) is not None:
                    raise ConfigurationError(
                        f"STADSNAV_MQTT_{name.upper()} is set, but STADSNAV_MQTT_URL does not ask "
                        "for TLS: write it as mqtts://…"
                    )

    @property
    def database_url(self) -> str:
        """Return the database's URL; raise ConfigurationError where none was given."""
        if self.database.url is None:
            raise ConfigurationError(
                "STADSNAV_DATABASE_URL is not set and no `stadsnav up` runs in this folder: set "
                "it, or start one"
            )
        return self.database.url.get_secret_value()

    @property
    def mqtt_url(self) -> str:
        """Return the broker's URL; raise ConfigurationError where none was given."""
        if self.mqtt.url is None:
            raise ConfigurationError(
                "STADSNAV_MQTT_URL is not set: give one, or run `stadsnav up`, which brings its "
                "own broker"
            )
        return self.mqtt.url.get_secret_value()


GROUPS: tuple[type[_Group], ...] = (
    DatabaseSettings,
    MqttSettings,
    IngestSettings,
    ApiSettings,
    MaintainSettings,
    ArchiveSettings,
    AuditSettings,
)


def _first_fault(error: ValidationError) -> str:
    """Say in one line which variable is wrong and why, without repeating a secret."""
    fault = error.errors(include_input=False)[0]
    field = ".".join(str(part) for part in fault["loc"]).upper()
    group = error.title.removesuffix("Settings").upper()
    return f"STADSNAV_{group}_{field}: {fault['msg']}"
