"""Run the way in: one connector from a broker to the store."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from prometheus_client import CollectorRegistry, Gauge, start_http_server

from connectors.mqtt import Broker, MqttSource
from connectors.routing import Router, read_routes
from hub.broker.keeper import BrokerFiles, keep
from hub.commands.keeping import Credentials, RegistryKeeper
from hub.commands.securing import broker_tls, check_broker_files
from hub.domain.intake import Limits
from hub.errors import ConfigurationError, StoreUnavailable
from hub.ingest.acceptance import ClockRule
from hub.ingest.arrivals import Arrivals
from hub.ingest.conduct import Conduct, ConductRule
from hub.ingest.examining import Examiner
from hub.ingest.meter import Meter
from hub.ingest.pipeline import Flow, Pipeline
from hub.settings import IngestSettings, MqttSettings, Settings
from hub.storage import arrivals, operation
from hub.storage.bell import REGISTRY, Bells
from hub.storage.ledger import Ledger
from hub.storage.migrate import pending
from hub.storage.pool import Store, open_store
from hub.storage.rights import Role

log = logging.getLogger(__name__)

FOREVER_S = float("inf")
REPORT_EVERY_S = 5.0  # three missed reports, and operators see the process as gone


async def run_ingest(settings: Settings) -> None:
    """Ingest until cancelled; waits for a database or broker that is not there yet."""
    broker = Broker.from_url(settings.mqtt_url, broker_tls(settings.mqtt))
    check_broker_files(settings.mqtt, datetime.now(UTC))
    keep_users = _keep_users(settings.mqtt)
    router = router_of(settings)
    topic, *also = router.subscriptions
    source = MqttSource(broker, topic, settings.mqtt.client_id, also=also)
    meter = Meter()
    async with open_store(
        settings.database_url, size=4, wait_s=FOREVER_S, role=Role.INGEST
    ) as store:
        await check_migrated(store)
        keeper = RegistryKeeper(store, settings.ingest.connector, keep_users)
        await keeper.load()
        async with store.connection() as db:
            known = await arrivals.newest(db, settings.mqtt.client_id, settings.mqtt.window)
        pipeline = Pipeline(
            settings.ingest.connector,
            source,
            examiner_of(settings.ingest, router),
            keeper,
            Ledger(store),
            flow=_flow(settings.ingest),
            meter=meter,
            arrivals=Arrivals(settings.mqtt.client_id, settings.mqtt.window, known),
            conduct=Conduct(_conduct(settings.ingest)),
        )
        _serve_metrics(settings.ingest, source, meter)
        bells = Bells()
        changes = bells.on(REGISTRY)
        async with asyncio.TaskGroup() as group:
            group.create_task(bells.listen(settings.database_url), name="bells")
            group.create_task(keeper.follow(changes), name="registry")
            group.create_task(pipeline.run(), name="pipeline")
            group.create_task(_report(store, settings, source, meter), name="report")


async def check_migrated(store: Store) -> None:
    """Raise ConfigurationError unless the schema is the one of this version."""
    async with store.connection() as db:
        missing = await pending(db)
    if missing:
        raise ConfigurationError(
            f"the database lacks {len(missing)} migration(s), the first is {missing[0].number:04} "
            f"{missing[0].name}: run `stadsnav migrate`"
        )


def router_of(settings: Settings) -> Router:
    """Return what decodes each message by its topic. It may remember: one for each way in."""
    routes = read_routes(settings.ingest.format, settings.mqtt.topic)
    return Router(routes, limits_of(settings.ingest))


def limits_of(settings: IngestSettings) -> Limits:
    return Limits(
        settings.payload_bytes, settings.values_per_message, settings.depth, settings.topic_length
    )


def examiner_of(settings: IngestSettings, router: Router) -> Examiner:
    """Return what every way in judges by: broker, HTTP and replay."""
    clock = ClockRule(settings.earliest, settings.ahead_flagged, settings.ahead_refused)
    return Examiner(router, clock, settings.topic_length, router.requests)


def _conduct(settings: IngestSettings) -> ConductRule:
    return ConductRule(
        settings.device_rate,
        settings.device_burst,
        settings.quarantine_excess or None,
        settings.quarantine_bad_times or None,
    )


def _flow(settings: IngestSettings) -> Flow:
    return Flow(settings.max_batch, settings.max_age_ms / 1000, settings.queue)


def _keep_users(settings: MqttSettings) -> Callable[[Credentials, Sequence[str]], object]:
    """Return what to do when credentials change: nothing, unless the broker's files are ours."""
    if settings.password_file is None or settings.acl_file is None:
        return lambda *_: None
    if settings.hub_password_hash is None:
        raise ConfigurationError(
            "STADSNAV_MQTT_HUB_PASSWORD_HASH is not set, so the hub could not sign in at the "
            "broker whose users it writes: `stadsnav admin broker-hash` makes one"
        )
    files = BrokerFiles(
        settings.password_file,
        settings.acl_file,
        settings.pid_file,
        settings.hub_username,
        settings.hub_password_hash.get_secret_value(),
    )
    return partial(keep, files)


async def _report(store: Store, settings: Settings, source: MqttSource, meter: Meter) -> None:
    """Tell the operators how this process is, for ever."""
    while True:
        try:
            async with store.connection() as db:
                await operation.report_process(
                    db,
                    settings.mqtt.client_id,
                    settings.ingest.connector,
                    connected=source.connected,
                    in_flight=meter.in_flight,
                    qos0_dropped=source.qos0_dropped_total,
                )
        except StoreUnavailable as error:
            log.warning("no report: %s", error)
        await asyncio.sleep(REPORT_EVERY_S)


def _serve_metrics(settings: IngestSettings, source: MqttSource, meter: Meter) -> None:
    """Expose this process's own state, read at each scrape."""
    if settings.metrics_port is None:
        return
    registry = CollectorRegistry()
    for name, what, read in (
        ("connected", "1 while subscribed at the broker.", lambda: source.connected),
        ("in_flight", "Readings received and not committed yet.", lambda: meter.in_flight),
        ("batches", "Commits of this process.", lambda: meter.batches_total),
        ("stored", "Readings stored by this process.", lambda: meter.stored_total),
        ("qos0_dropped", "QoS 0 messages dropped.", lambda: source.qos0_dropped_total),
        ("lag_seconds", "Phenomenon time to commit, newest batch.", lambda: meter.lag_s),
    ):
        gauge = Gauge(f"stadsnav_ingest_process_{name}", what, registry=registry)
        gauge.set_function(read)
    start_http_server(settings.metrics_port, settings.metrics_host, registry)
