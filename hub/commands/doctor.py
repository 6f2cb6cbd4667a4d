"""Is everything as it should be? Look at each part, and say what to do about each finding."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from connectors.mqtt import Broker, BrokerRefused, greet, meet
from hub.broker.access import DOCTOR
from hub.certificates.folder import CertificateFolder
from hub.commands.expiring import SOON_DAYS, certificates, open_keys
from hub.commands.files import Folder
from hub.commands.here import data_folder, settings_here
from hub.commands.securing import broker_tls
from hub.commands.upkeep import behind
from hub.errors import ConfigurationError, StadsnavError
from hub.settings import Settings
from hub.storage import ledger
from hub.storage.capabilities import detect
from hub.storage.health import clock_difference, durability, server_version
from hub.storage.migrate import migrated_as, pending
from hub.storage.pool import Db, connect

CLOCK_TOLERANCE_S = 2.0


class Verdict(StrEnum):
    GOOD = "good"
    LOOK = "look"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and, unless it is good, what to do."""

    part: str
    verdict: Verdict
    told: str
    remedy: str = ""


async def examine() -> AsyncIterator[Finding]:
    """Examine settings, database and broker; yields findings as they come."""
    try:
        settings = settings_here()
    except ConfigurationError as error:
        yield Finding("settings", Verdict.BAD, str(error), "correct that variable")
        return
    yield Finding("settings", Verdict.GOOD, "complete and consistent")
    async for finding in _examine_database(settings):
        yield finding
    async for finding in _examine_broker(settings):
        yield finding
    for finding in _examine_certificates(settings, datetime.now(UTC)):
        yield finding


async def _examine_database(settings: Settings) -> AsyncIterator[Finding]:
    if settings.database.url is None:
        yield Finding(
            "database",
            Verdict.LOOK,
            "STADSNAV_DATABASE_URL is not set",
            "set it, or use `stadsnav up`, which brings its own",
        )
        return
    try:
        async with connect(settings.database_url) as db:
            yield Finding(
                "database", Verdict.GOOD, f"answers: PostgreSQL {await server_version(db)}"
            )
            for look in (_capability, _migrations, _durability, _clock):
                yield await look(db)
            if not await pending(db):
                async for finding in _connectors(db):
                    yield finding
                async for finding in _upkeep(db):
                    yield finding
    except StadsnavError as error:
        yield Finding("database", Verdict.BAD, str(error), "start it, or correct its URL")


async def _capability(db: Db) -> Finding:
    able, made_as = await detect(db), await migrated_as(db)
    if made_as is not None and made_as != able:
        return Finding(
            "capabilities",
            Verdict.LOOK,
            f"the schema was made for {made_as}, the database is {able} now",
            "move the data into a fresh database to use what it can do",
        )
    if able == "plain":
        return Finding(
            "capabilities",
            Verdict.LOOK,
            "PostgreSQL without TimescaleDB: fine for trying out and for small cities",
            "for years of data install TimescaleDB (Community edition) before migrating",
        )
    return Finding("capabilities", Verdict.GOOD, f"TimescaleDB, {able} edition")


async def _migrations(db: Db) -> Finding:
    missing = await pending(db)
    if missing:
        return Finding(
            "schema",
            Verdict.BAD,
            f"{len(missing)} migrations are missing",
            "run `stadsnav migrate`",
        )
    return Finding("schema", Verdict.GOOD, "up to date")


async def _durability(db: Db) -> Finding:
    weak = await durability(db)
    if weak:
        return Finding(
            "durability",
            Verdict.BAD,
            f"{' and '.join(weak)}: an acknowledged reading may be lost in a crash",
            "set them to on in postgresql.conf",
        )
    return Finding("durability", Verdict.GOOD, "a commit is on disk before it is acknowledged")


async def _clock(db: Db) -> Finding:
    ahead_s = await clock_difference(db, datetime.now(UTC))
    if abs(ahead_s) > CLOCK_TOLERANCE_S:
        return Finding(
            "clock",
            Verdict.BAD,
            f"this machine and the database differ by {ahead_s:+.1f} s",
            "synchronise both by NTP: readings are judged by this clock",
        )
    return Finding("clock", Verdict.GOOD, f"within {abs(ahead_s):.2f} s of the database's")


async def _connectors(db: Db) -> AsyncIterator[Finding]:
    broken = await ledger.broken_batch(db)
    if broken is not None:
        yield Finding(
            "ledger",
            Verdict.BAD,
            f"batch {broken} does not account for what it received",
            "somebody wrote to the tables by hand: restore them from a backup",
        )
    for row in await ledger.totals(db):
        told = (
            f"received {row['received']} = stored {row['stored']} + duplicates "
            f"{row['duplicates']} + rejected {row['rejected']}"
        )
        if row["rejected"] * 10 > row["received"]:
            yield Finding(
                f"connector {row['id']}",
                Verdict.LOOK,
                told,
                "more than a tenth is rejected: `stadsnav admin rejection list` says why",
            )
        else:
            yield Finding(f"connector {row['id']}", Verdict.GOOD, told)


async def _upkeep(db: Db) -> AsyncIterator[Finding]:
    good = True
    async for found in behind(db, datetime.now(UTC)):
        good = False
        yield Finding("maintenance", Verdict.LOOK, found.what, found.remedy)
    if good:
        yield Finding("maintenance", Verdict.GOOD, "everything was done in time")


async def _examine_broker(settings: Settings) -> AsyncIterator[Finding]:
    if settings.mqtt.url is None:
        yield Finding(
            "broker",
            Verdict.LOOK,
            "STADSNAV_MQTT_URL is not set",
            "set it, or use `stadsnav up`, which brings its own",
        )
        return
    try:
        broker = Broker.from_url(settings.mqtt_url, broker_tls(settings.mqtt))
        if broker.tls is not None:
            met = await meet(broker)
            yield _expiry("the broker's certificate", broker.host, met.expires, datetime.now(UTC))
            if broker.tls.certificate is not None:
                # Signed in by certificate we would be ingest itself, and end its session.
                told = f"takes the hub's certificate, answers in {met.seconds * 1000:.0f} ms"
                yield Finding("broker", Verdict.GOOD, told)
                return
        round_trip_s = await greet(broker, DOCTOR)
    except BrokerRefused as error:
        remedy = f"start it, or correct its URL; it needs a user {DOCTOR} with the hub's password"
        yield Finding("broker", Verdict.BAD, str(error), remedy)
        return
    except StadsnavError as error:
        yield Finding("broker", Verdict.BAD, str(error), "start it, or correct its URL")
        return
    yield Finding(
        "broker", Verdict.GOOD, f"accepts the hub, answers in {round_trip_s * 1000:.0f} ms"
    )


def _examine_certificates(settings: Settings, now: datetime) -> Iterator[Finding]:
    folder = CertificateFolder(Folder(data_folder()).certificates)
    for seen in certificates(settings, folder, now):
        if seen.fault is not None or seen.expires is None:
            yield Finding(seen.part, Verdict.BAD, seen.fault or "", "docs/tls.md tells how")
        else:
            yield _expiry(seen.part, seen.name, seen.expires, now)
    for path in open_keys(settings):
        told, remedy = f"everyone on this machine can read {path}", f"chmod 600 {path}"
        yield Finding("private key", Verdict.LOOK, told, remedy)


def _expiry(part: str, name: str, expires: datetime, now: datetime) -> Finding:
    days = (expires - now).days
    if expires <= now:
        told = f"{name} expired on {expires:%Y-%m-%d}"
        return Finding(part, Verdict.BAD, told, "renew it now: nobody can connect any more")
    if days < SOON_DAYS:
        told = f"{name} expires in {days} days, on {expires:%Y-%m-%d}"
        return Finding(part, Verdict.LOOK, told, "renew it: docs/tls.md tells how")
    return Finding(part, Verdict.GOOD, f"{name} is good for {days} days")
