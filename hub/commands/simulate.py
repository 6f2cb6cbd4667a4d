"""Pretend to be devices: a city, a recording, or a single message."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from hub.commands import sample
from hub.commands.files import write_private
from hub.commands.terminal import EXIT_MISCONFIGURED, fail, run
from hub.settings import Settings
from hub.storage.pool import connect
from simulators.city import sample_city
from simulators.publish import BrokerError, run_city, send_once
from simulators.replay import Recorded, read_csv, replay

app = typer.Typer(
    no_args_is_help=True,
    help="Pretend to be devices. Nothing here knows the hub: it only publishes over MQTT.",
)

Host = Annotated[str, typer.Option(help="the broker's address")]
Port = Annotated[int, typer.Option(help="the broker's port", envvar="STADSNAV_MQTT_PORT")]
Password = Annotated[
    str, typer.Option(help="the device's password", envvar="STADSNAV_DEVICE_PASSWORD")
]
LOCALHOST = "127.0.0.1"
MQTT_PORT = 1883


@app.command()
def city(
    *,
    passwords: Annotated[Path, typer.Option(help="JSON file: device id → password")] = Path(
        ".stadsnav/simulated-devices.json"
    ),
    host: Host = LOCALHOST,
    port: Port = MQTT_PORT,
    rate: Annotated[float, typer.Option(min=0.01, max=100, help="how fast it talks")] = 1.0,
) -> None:
    """Let the 200 devices of the sample city talk, each over its own connection, until stopped.

    Example: stadsnav simulate city --rate 5
    """
    known = _passwords(passwords)
    devices = [device for device in sample_city().devices if device.id in known]
    run(lambda: run_city(devices, known, host=host, port=port, rate=rate, tell=typer.echo))


@app.command()
def register(
    *,
    passwords: Annotated[Path, typer.Option(help="where to write device id → password")],
    keys: Annotated[Path, typer.Option(help="where to write organisation → key")],
) -> None:
    """Register the sample city in STADSNAV_DATABASE_URL, with a day of history; safe to repeat.

    Example: stadsnav simulate register --passwords passwords.json --keys keys.json
    """

    async def work() -> None:
        async with connect(Settings().database_url) as db:
            if await sample.is_registered(db) and _has_content(passwords):
                typer.echo("the sample city is registered already")
                return
            write_private(keys, {})  # before anything changes: can it be written at all?
            write_private(passwords, {})
            known = await sample.is_registered(db)
            made = await (sample.renew_credentials if known else sample.register)(db, sample_city())
        write_private(passwords, made.passwords)
        write_private(keys, made.keys)
        typer.echo(f"the sample city is registered: {len(made.passwords)} devices")

    run(work)


def _has_content(path: Path) -> bool:
    return path.exists() and json.loads(path.read_text()) != {}


def _passwords(path: Path) -> dict[str, str]:
    try:
        known: object = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        fail(f"cannot read {path}: {error}; `stadsnav up` writes it", EXIT_MISCONFIGURED)
    if not isinstance(known, dict) or not known:
        fail(f"{path} holds no passwords by device; `stadsnav up` writes it", EXIT_MISCONFIGURED)
    return {str(device): str(password) for device, password in known.items()}


@app.command()
def send(
    device: Annotated[str, typer.Argument(help="id of the device, its user name at the broker")],
    payload: Annotated[str, typer.Argument(help="what it says")],
    *,
    password: Password,
    host: Host = LOCALHOST,
    port: Port = MQTT_PORT,
) -> None:
    """Publish one message as a device and wait for the broker's acknowledgement.

    Example: stadsnav simulate send demo-1 --password … '{"values": {"temperature": 21.5}}'
    """

    async def work() -> None:
        with _broker_told(host, port):
            async with asyncio.timeout(10):
                await send_once(device, password, payload.encode(), host=host, port=port)
        typer.echo("acknowledged by the broker")

    run(work)


@app.command("replay")
def replay_files(
    files: Annotated[
        list[Path], typer.Argument(help="CSV with timestamp,value", exists=True, dir_okay=False)
    ],
    *,
    device: Annotated[str, typer.Option(help="the device that says it")],
    observed: Annotated[str, typer.Option("--property", help="what the values are")],
    password: Password,
    host: Host = LOCALHOST,
    port: Port = MQTT_PORT,
    timezone: Annotated[str, typer.Option(help="of times without offset")] = "UTC",
    speed: Annotated[
        float | None,
        typer.Option(min=0.001, help="1 is as recorded; default as fast as acknowledged"),
    ] = None,
    shift_to_now: Annotated[
        bool, typer.Option(help="move the recording so that it ends now")
    ] = False,
    per_message: Annotated[int, typer.Option(min=1, max=1000, help="readings a message")] = 1,
) -> None:
    """Publish recorded data as a device, in the order of the file.

    Example: stadsnav simulate replay speed_6005.csv --device detector-6005 --property speed
    --timezone America/Chicago --password …
    """
    records = [record for file in files for record in _read(file, _zone(timezone))]

    async def work() -> None:
        with _broker_told(host, port):
            report = await replay(
                records,
                device=device,
                property_id=observed,
                host=host,
                port=port,
                username=device,
                password=password,
                speed=speed,
                shift_to_now=shift_to_now,
                per_message=per_message,
                tell=typer.echo,
            )
        typer.echo(
            f"{report.acknowledged} of {report.sent} readings acknowledged by the broker "
            f"in {report.seconds:.1f} s"
        )

    run(work)


@contextmanager
def _broker_told(host: str, port: int) -> Iterator[None]:
    """End with one line that says what to do when the broker is away or refuses."""
    try:
        yield
    except (BrokerError, TimeoutError) as error:
        fail(
            f"the broker at {host}:{port} says: {str(error) or 'nothing'}. Is it running (--host, "
            "--port), and are device and password right?"
        )


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise typer.BadParameter(f"{name!r} is no time zone: write Europe/Stockholm") from error


def _read(file: Path, zone: ZoneInfo) -> list[Recorded]:
    try:
        return read_csv(file, zone)
    except ValueError as error:
        fail(str(error), EXIT_MISCONFIGURED)
