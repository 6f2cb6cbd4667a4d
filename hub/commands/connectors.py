"""What formats are there, and what would become of this message?"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from connectors.formats import FORMATS, MAPPING, third_party
from connectors.lorawan.codecs import CODECS
from connectors.routing import Route, Router
from hub.commands.admin.terms import with_database
from hub.commands.ingest import examiner_of, limits_of
from hub.commands.terminal import EXIT_FAILED, clearly, fail
from hub.domain.intake import Decoded, Undecodable
from hub.domain.topics import readings_topic
from hub.ingest.examining import Examiner
from hub.settings import Settings
from hub.storage import registry
from hub.storage.pool import Db

app = typer.Typer(
    no_args_is_help=True,
    help="Payload formats: which there are, and what one makes of a message.",
)

ROUTE = "#"  # whatever topic is tried
A_TOPIC = readings_topic("d-1")


@app.command("list")
def list_formats() -> None:
    """Show the payload formats that STADSNAV_INGEST_FORMAT may name.

    Example: STADSNAV_INGEST_FORMAT='native v3/+/devices/+/up=ttn' stadsnav ingest
    """
    for name, format_ in FORMATS.items():
        typer.echo(f"{name:<22} {format_.told}")
    for found in third_party():
        typer.echo(f"{found.name:<22} of {found.value}")
    typer.echo(f"{'FILE' + MAPPING:<22} a mapping of your own: connectors/mapping/README.md")
    typer.echo(f"{'+CODEC':<22} for bytes of LoRaWAN devices: {', '.join(CODECS)}")


@app.command("try")
def try_format(
    format_: Annotated[
        str, typer.Argument(metavar="FORMAT_OR_FILE", help="a format, or a mapping file: *.toml")
    ],
    *,
    topic: Annotated[
        list[str] | None,
        typer.Option(
            help=f"where it was published; once, or once per payload; {A_TOPIC} if not said"
        ),
    ] = None,
    payload: Annotated[
        list[str], typer.Option(help="a message: text, @FILE, or 0x… for bytes; may be repeated")
    ],
    registered: Annotated[
        bool, typer.Option("--registered", help="judge by the hub's registry too")
    ] = False,
) -> None:
    """Show what would be stored of a message, and what would be rejected and why.

    Several payloads are given to one decoder, in order: a format that remembers births does. Ends
    with 1 if something would be rejected. Nothing is stored.

    Example: stadsnav connectors try native --payload '{"values": {"no2": 18}}'
    """
    with clearly():
        settings = Settings()
        router = Router([Route(ROUTE, format_)], limits_of(settings.ingest))
        messages = [(name, _bytes(text)) for name, text in _paired(topic or [A_TOPIC], payload)]
    examiner = examiner_of(settings.ingest, router)
    read = [(name, raw, examiner.read(name, raw)) for name, raw in messages]
    if registered:
        with_database(lambda db: _judge(db, examiner, read, settings.ingest.connector))
        return
    for _, _, items in read:
        _show(items)
    if any(isinstance(item, Undecodable) for _, _, items in read for item in items):
        raise typer.Exit(EXIT_FAILED)


def _paired(topics: Sequence[str], payloads: Sequence[str]) -> list[tuple[str, str]]:
    if len(topics) == 1:
        return [(topics[0], payload) for payload in payloads]
    if len(topics) != len(payloads):
        fail(f"{len(topics)} --topic and {len(payloads)} --payload: give one --topic, or one each")
    return list(zip(topics, payloads, strict=True))


def _bytes(text: str) -> bytes:
    if text.startswith("@"):
        return Path(text[1:]).read_bytes()
    if text.startswith("0x"):
        try:
            return bytes.fromhex(text[2:])
        except ValueError as error:
            fail(f"--payload {text[:20]}… is no hexadecimal: {error}")
    return text.encode("utf-8", "surrogateescape")


def _show(items: Sequence[Decoded | Undecodable]) -> None:
    if not items:
        typer.echo("nothing   the format understands the message, and it holds no readings")
    for item in items:
        typer.echo(_told(item))


def _told(item: Decoded | Undecodable) -> str:
    if isinstance(item, Undecodable):
        return f"rejected  {item.reason}: {item.detail}"
    time = _time(item)
    unit = f" {item.unit}" if item.unit else ""
    position = f" at {item.position.lon}, {item.position.lat}" if item.position else ""
    return f"reading   {item.device} {item.property} = {item.value}{unit}, {time}{position}"


def _time(item: Decoded) -> str:
    if isinstance(item.time, datetime):
        return item.time.isoformat()
    if item.time is None:
        return "when received"
    return f"{item.time.total_seconds():+g} s from when received"


async def _judge(
    db: Db,
    examiner: Examiner,
    read: Sequence[tuple[str, bytes, Sequence[Decoded | Undecodable]]],
    connector: str,
) -> None:
    """Say of each value what the hub would do with it now."""
    known, now, refused = await registry.load(db, connector), datetime.now(UTC), False
    for topic, payload, items in read:
        for item in items:
            came_to = examiner.judge([item], topic, payload, now, registry=known)
            for lost in came_to.rejections:
                refused = True
                typer.echo(f"rejected  {lost.reason}: {lost.detail}")
            if came_to.readings:
                stored = came_to.readings[0]
                flag = f", quality {stored.quality}" if stored.quality else ""
                typer.echo(f"{_told(item)} → datastream {stored.datastream_id}{flag}")
    if refused:
        raise typer.Exit(EXIT_FAILED)
