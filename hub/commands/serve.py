"""Run the way out: API and web."""

import asyncio
import contextlib
import ssl
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version

import uvicorn

from hub.api.app import create_app
from hub.api.context import BrokerHook, Hub
from hub.archive.reading import ArchiveReader
from hub.broker.access import hash_password, hub_users, is_password, new_password
from hub.commands.ingest import check_migrated, examiner_of, router_of
from hub.commands.keeping import RegistryKeeper, quarantine
from hub.commands.receiving import CONNECTOR, HttpReceiver
from hub.commands.replaying import Replayer
from hub.commands.securing import check_api_files, take_in_renewed
from hub.embedded.network import check_port_is_free
from hub.errors import ConfigurationError
from hub.fleet.guessing import Guesses
from hub.settings import ApiSettings, Settings
from hub.storage.bell import BATCH, REGISTRY, RIGHTS, Bells
from hub.storage.ledger import Ledger
from hub.storage.pool import Store, open_store
from hub.storage.replica import Replica, open_replica
from hub.storage.rights import Role
from hub.web import pages

START_PATIENCE_S = 60
INTAKE_SIZE = 4  # connections
STOP_PATIENCE_S = 1


async def run_api(settings: Settings) -> None:
    """Serve until told to stop by SIGTERM or SIGINT."""
    check_api_files(settings.api, datetime.now(UTC))
    await check_port_is_free(settings.api.port, "STADSNAV_API_PORT")
    url = settings.database_url
    size = settings.database.pool_size
    async with (
        open_store(url, size=size, wait_s=START_PATIENCE_S, role=Role.API) as store,
        # Readings handed in over HTTP are taken in as ingest would: the API may not write any.
        open_store(url, size=INTAKE_SIZE, role=Role.INGEST) as intake,
        open_replica(
            store,
            settings.database.replica,
            size=size,
            bound_s=settings.database.replica_lag_s,
        ) as replica,
    ):
        await check_migrated(store)
        keeper = RegistryKeeper(intake, CONNECTOR)
        await keeper.load()
        bells = Bells()
        changes = bells.on(REGISTRY)
        hub = _hub(settings, store, intake, replica, keeper, bells)
        async with asyncio.TaskGroup() as group:
            background = [
                group.create_task(bells.listen(url), name="bells"),
                group.create_task(keeper.follow(changes), name="registry"),
                group.create_task(replica.watch(), name="replica"),
            ]
            config = _config(hub, settings.api)
            if config.ssl and settings.api.certificate_file and settings.api.key_file:
                renewing = take_in_renewed(
                    config.ssl, settings.api.certificate_file, settings.api.key_file
                )
                background.append(group.create_task(renewing, name="certificate"))
            # Uvicorn raises the signal again once it has stopped, which would look like a failure.
            with contextlib.suppress(KeyboardInterrupt):
                await uvicorn.Server(config).serve()
            for task in background:
                task.cancel()


def _hub(
    settings: Settings,
    store: Store,
    intake: Store,
    replica: Replica,
    keeper: RegistryKeeper,
    bells: Bells,
) -> Hub:
    router = router_of(settings)
    examiner = examiner_of(settings.ingest, router)
    receiver = HttpReceiver(keeper, Ledger(intake), examiner, router)
    return Hub(
        store=store,
        news=bells.on(BATCH, RIGHTS),
        rights=bells.on(RIGHTS),
        receive=receiver.receive,
        replay=Replayer(intake, examiner).step,
        check_password=is_password,
        new_password=new_password,
        hash_password=hash_password,
        payload_bytes=settings.ingest.payload_bytes,
        max_limit=settings.api.max_limit,
        stream_s=settings.api.stream_s,
        secure_cookies=settings.api.secure_cookies or settings.api.scheme == "https",
        version=version("stadsnav"),
        replica=replica,
        guesses=Guesses(settings.api.quarantine_failures or None),
        quarantine=partial(quarantine, intake),
        broker_hook=_broker_hook(settings),
        archive=ArchiveReader(settings.archive.uri) if settings.archive.uri else None,
    )


def _broker_hook(settings: Settings) -> BrokerHook | None:
    if settings.api.broker_hook_secret is None:
        return None
    if settings.mqtt.hub_password_hash is None:
        raise ConfigurationError(
            "STADSNAV_MQTT_HUB_PASSWORD_HASH is not set, so the broker that asks us would shut the "
            "hub itself out: `stadsnav admin broker-hash` makes one"
        )
    hashed = settings.mqtt.hub_password_hash.get_secret_value()
    users = dict.fromkeys(hub_users(settings.mqtt.hub_username), hashed)
    return BrokerHook(settings.api.broker_hook_secret.get_secret_value(), users)


def _config(hub: Hub, settings: ApiSettings) -> uvicorn.Config:
    app = create_app(hub)
    pages.install(app)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        ssl_certfile=settings.certificate_file,
        ssl_keyfile=settings.key_file,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=STOP_PATIENCE_S,
    )
    config.load()
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return config
