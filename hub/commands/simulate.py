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
from hub.commands.terminal import EXIT_MISCONFIGURED, clearly, fail, run
from hub.settings import Settings
from hub.storage.pool import connect
from simulators.city import sample_city
from simulators.publish import BrokerError, run_city, send_once
from simulators.replay import Recorded, read_csv, replay
from simulators.tls import Tls

app = typer.Typer(
    no_args_is_help=True,
    help="Pretend to be devices. Nothing here knows the hub: it only publishes over MQTT.",
)

Host = Annotated[str, typer.Option(help="the broker's address")]
Port = Annotated[
    int | None,
    typer.Option(
        help="the broker's port; default STADSNAV_MQTT_PORT, or with TLS STADSNAV_MQTT_TLS_PORT, "
        "or with certificates STADSNAV_MQTT_MTLS_PORT"
    ),
]
Password = Annotated[
    str | None, typer.Option(help="the device's password", envvar="STADSNAV_DEVICE_PASSWORD")
]
Secure = Annotated[
    bool, typer.Option("--tls", help="connect by TLS, trusting whom this system trusts")
]
Authority = Annotated[
    Path | None,
    typer.Option("--tls-ca", help="connect by TLS, trusting this authority", dir_okay=False),
]
Certificates = Annotated[
    Path | None,
    typer.Option(help="sign in by certificate: folder with DEVICE.crt and DEVICE.key"),
]
LOCALHOST = "127.0.0.1"


@app.command()
def city(
    *,
    passwords: Annotated[Path, typer.Option(help="JSON file: device id → password")] = Path(
        ".stadsnav/simulated-devices.json"
    ),
    host: Host = LOCALHOST,
    port: Port = None,
    tls: Secure = False,
    tls_ca: Authority = None,
    certificates: Certificates = None,
    rate: Annotated[float, typer.Option(min=0.01, max=100, help="how fast it talks")] = 1.0,
) -> None:
    """Let the 200 devices of the sample city talk, each over its own connection, until stopped.

    With --certificates those talk that have one.

    Example: stadsnav simulate city --rate 5
    """
    secure = _secured(tls, tls_ca, certificates)
    known = {} if certificates else _passwords(passwords)
    devices = [d for d in sample_city().devices if d.id in known or (secure and secure.has(d.id))]
    if not devices:
        fail(f"{certificates} holds no certificate of a device of the sample city")
    at = _port(port, secure)
    run(
        lambda: run_city(devices, known, host=host, port=at, tls=secure, rate=rate, tell=typer.echo)
    )


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
    password: Password = None,
    host: Host = LOCALHOST,
    port: Port = None,
    tls: Secure = False,
    tls_ca: Authority = None,
    certificates: Certificates = None,
) -> None:
    """Publish one message as a device and wait for the broker's acknowledgement.

    Example: stadsnav simulate send demo-1 --password … '{"values": {"temperature": 21.5}}'
    """
    secure = _secured(tls, tls_ca, certificates)
    at = _port(port, secure)
    _check_credential(password, certificates)

    async def work() -> None:
        with _broker_told(host, at):
            async with asyncio.timeout(10):
                await send_once(device, password, payload.encode(), host=host, port=at, tls=secure)
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
    password: Password = None,
    host: Host = LOCALHOST,
    port: Port = None,
    tls: Secure = False,
    tls_ca: Authority = None,
    certificates: Certificates = None,
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
    secure = _secured(tls, tls_ca, certificates)
    at = _port(port, secure)
    _check_credential(password, certificates)

    async def work() -> None:
        with _broker_told(host, at):
            report = await replay(
                records,
                device=device,
                property_id=observed,
                host=host,
                port=at,
                username=device,
                password=password,
                tls=secure,
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


def _secured(tls: bool, authority: Path | None, certificates: Path | None) -> Tls | None:
    return Tls(authority, certificates) if tls or authority or certificates else None


def _port(given: int | None, secure: Tls | None) -> int:
    if given is not None:
        return given
    with clearly():
        settings = Settings().mqtt
    if secure is None:
        return settings.port
    return settings.tls_port if secure.certificates is None else settings.mtls_port


def _check_credential(password: str | None, certificates: Path | None) -> None:
    if password is None and certificates is None:
        raise typer.BadParameter("give the device's --password, or --certificates and --tls-ca")


@contextmanager
def _broker_told(host: str, port: int) -> Iterator[None]:
    """End with one line that says what to do when the broker is away or refuses."""
    try:
        yield
    except (BrokerError, TimeoutError) as error:
        fail(
            f"the broker at {host}:{port} says: {str(error) or 'nothing'}. Is it running (--host, "
            "--port, --tls-ca), and are device and password or certificate right?"
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
