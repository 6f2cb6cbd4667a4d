"""Make certificates for TLS with an authority of your own: to develop, to test, to begin."""

import os
import shlex
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from hub.broker.access import hub_users
from hub.certificates.folder import CertificateFolder, Kind, Pair, Standing
from hub.certificates.issuing import LOCAL, PublicKey, general_name, requested_key
from hub.certificates.reading import read
from hub.commands.admin.terms import show
from hub.commands.terminal import EXIT_MISCONFIGURED, clearly, fail
from hub.domain.identity import RESERVED, slug
from hub.settings import Settings

app = typer.Typer(
    no_args_is_help=True,
    help="TLS certificates: an authority, servers, devices, the hub. Works without a database. "
    "docs/tls.md tells where each goes, and how a city's own authority takes this one's place.",
)

TEN_YEARS, ONE_YEAR = 3_653, 365

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="the authority's folder", file_okay=False)
]
Days = Annotated[int, typer.Option(min=1, max=36_500, help="how long it is valid")]
Replace = Annotated[bool, typer.Option("--replace", help="issue another where there is one")]


@app.command()
def authority(
    folder: Folder,
    *,
    name: Annotated[str, typer.Option(help="what it is called")] = "Stadsnav development authority",
    days: Days = TEN_YEARS,
) -> None:
    """Make the authority that signs all others. Whoever has its key can be anybody.

    Example: stadsnav admin certificates authority certificates
    """
    with clearly():
        made = CertificateFolder(folder).make_authority(name, now=_now(), days=days)
    _told(made)
    typer.echo(f"revoked      {CertificateFolder(folder).revocations}")
    typer.echo(
        "\nGive the certificate to everyone who should trust it, the key to nobody.\n"
        f"Next: stadsnav admin certificates server {_quoted(folder)} broker.example.city"
    )


@app.command()
def server(
    folder: Folder,
    name: Annotated[str, typer.Argument(help="the host name or IP address it is reached by")],
    *,
    address: Annotated[
        list[str] | None, typer.Option(help="another name or IP address of it; repeat")
    ] = None,
    local: Annotated[bool, typer.Option(help="also for localhost and 127.0.0.1")] = True,
    days: Days = ONE_YEAR,
    replace: Replace = False,
) -> None:
    """Issue a certificate to a broker or an API, for the addresses that its clients use.

    Example: stadsnav admin certificates server certificates broker.example.city --address 10.0.0.5
    """
    addresses = list(dict.fromkeys([name, *(address or ()), *(LOCAL if local else ())]))
    for one in addresses:
        _address(one)
    with clearly():
        pair = CertificateFolder(folder).issue(
            Kind.SERVER, name, now=_now(), days=days, addresses=addresses, replace=replace
        )
    where = CertificateFolder(folder)
    _told(pair, addresses)
    typer.echo(
        "\nMosquitto, in a listener (it must be able to read the key):\n"
        f"  cafile {where.authority.certificate.absolute()}\n"
        f"  certfile {pair.certificate.absolute()}\n"
        f"  keyfile {pair.key.absolute()}\n"
        "API and web:\n"
        f"  STADSNAV_API_CERTIFICATE_FILE={_quoted(pair.certificate.absolute())}\n"
        f"  STADSNAV_API_KEY_FILE={_quoted(pair.key.absolute())}\n"
        "Try it, once it listens:\n"
        f"  openssl s_client -connect {name}:8883 -verify_return_error -brief "
        f"-CAfile {_quoted(where.authority.certificate)}"
    )


@app.command()
def device(
    folder: Folder,
    ids: Annotated[list[str], typer.Argument(metavar="DEVICE…", help="id of each device")],
    *,
    request: Annotated[
        Path | None,
        typer.Option(help="signing request (CSR, PEM) of the one device, which keeps its key"),
    ] = None,
    days: Days = ONE_YEAR,
    replace: Replace = False,
) -> None:
    """Issue certificates to devices, whose ids become the subject: they sign in without a password.

    Example: stadsnav admin certificates device certificates noise-9
    """
    for id_ in ids:
        _device_id(id_)
    if request is not None and len(ids) > 1:
        raise typer.BadParameter("--request holds the key of one device: name that one only")
    where, key = CertificateFolder(folder), None if request is None else _requested(request)
    for id_ in ids:
        with clearly():
            pair = where.issue(
                Kind.DEVICE, id_, now=_now(), days=days, requested=key, replace=replace
            )
        _told(pair, has_key=key is None)
    private = pair.key if key is None else Path(f"{ids[-1]}.key")
    topic = f"v1/devices/{ids[-1]}/readings"
    message = '{"values": {"temperature": 21.5}}'
    typer.echo(
        "\nTry it, on Mosquitto's listener for certificates:\n"
        f"  mosquitto_pub -h 127.0.0.1 -p 8884 --cafile {_quoted(where.authority.certificate)} "
        f"--cert {_quoted(pair.certificate)} --key {_quoted(private)} -q 1 -t {topic} "
        f"-m '{message}'"
    )


@app.command()
def hub(
    folder: Folder,
    *,
    name: Annotated[
        str | None, typer.Option(help="its user at the broker; one per ingest process")
    ] = None,
    days: Days = ONE_YEAR,
    replace: Replace = False,
) -> None:
    """Issue a certificate to the hub, with which ingest signs in at the broker.

    Example: stadsnav admin certificates hub certificates
    """
    users = _hub_users()
    if name is not None and name not in users:
        raise typer.BadParameter(f"the hub's users at the broker are {', '.join(users)}")
    where = CertificateFolder(folder)
    with clearly():
        pair = where.issue(Kind.HUB, name or users[0], now=_now(), days=days, replace=replace)
    _told(pair)
    typer.echo(
        "\nIngest:\n"
        "  STADSNAV_MQTT_URL=mqtts://broker.example.city:8884\n"
        f"  STADSNAV_MQTT_CA_FILE={_quoted(where.authority.certificate.absolute())}\n"
        f"  STADSNAV_MQTT_CERTIFICATE_FILE={_quoted(pair.certificate.absolute())}\n"
        f"  STADSNAV_MQTT_KEY_FILE={_quoted(pair.key.absolute())}"
    )


@app.command("list")
def list_(folder: Folder) -> None:
    """Show every certificate that was issued, and in how many days it expires.

    Example: stadsnav admin certificates list certificates
    """
    now = _now()
    where = CertificateFolder(folder)
    with clearly():
        entries, [signer] = where.entries(now), read("the authority", where.authority.certificate)
    days_left = (signer.expires - now).days
    show(
        ("subject", "use", "standing", "expires", "in days", "serial"),
        [
            (signer.name, "authority", "", f"{signer.expires:%Y-%m-%d}", days_left, ""),
            *(
                (e.name, e.use, e.standing, f"{e.expires:%Y-%m-%d}", (e.expires - now).days,
                 f"{e.serial:x}")
                for e in entries
            ),
        ],
    )  # fmt: skip


@app.command()
def revoke(
    folder: Folder,
    name: Annotated[
        str, typer.Argument(metavar="DEVICE", help="id of a device, or another subject")
    ],
    *,
    superseded: Annotated[
        bool, typer.Option("--superseded", help="only what a newer one has replaced")
    ] = False,
    pid_file: Annotated[
        Path | None,
        typer.Option(
            help="Mosquitto's pid_file: told to read the list", envvar="STADSNAV_MQTT_PID_FILE"
        ),
    ] = None,
) -> None:
    """Take certificates back: Mosquitto refuses them once it has read the list of revocations.

    A device that is connected stays so: its rights end when it is quarantined.

    Example: stadsnav admin certificates revoke certificates noise-9
    """
    where = CertificateFolder(folder)
    with clearly():
        gone = where.revoke(name, now=_now(), superseded_only=superseded)
    if not gone:
        typer.echo(f"{name} has nothing to take back")
        return
    for entry in gone:
        typer.echo(f"revoked  {entry.name}  serial {entry.serial:x}")
    if pid_file is not None and _told_broker(pid_file):
        typer.echo("Mosquitto was told, and refuses it from now on.")
    else:
        typer.echo(
            f"Mosquitto's crlfile is {where.revocations}: send it SIGHUP to read it again "
            "(--pid-file does)."
        )
    if any(entry.standing is Standing.VALID for entry in gone):
        typer.echo(f"To end a connection of today: stadsnav admin device state {name} quarantined")


def _told_broker(pid_file: Path) -> bool:
    try:
        os.kill(int(pid_file.read_text()), signal.SIGHUP)
    except (OSError, ValueError) as error:
        typer.echo(f"Mosquitto was not told: {error}", err=True)
        return False
    return True


def _told(pair: Pair, addresses: list[str] | None = None, *, has_key: bool = True) -> None:
    typer.echo(f"certificate  {pair.certificate}")
    if has_key:
        typer.echo(f"key          {pair.key}   (mode 600)")
    if addresses:
        typer.echo(f"good for     {', '.join(addresses)}")


def _device_id(name: str) -> None:
    try:
        slug(name)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if name in _hub_users() or name.startswith(RESERVED):
        raise typer.BadParameter(
            f"{name!r} is a name of the hub itself, which no device may bear: `stadsnav admin "
            "certificates hub` issues those"
        )


def _hub_users() -> list[str]:
    with clearly():
        return hub_users(Settings().mqtt.hub_username)


def _address(text: str) -> None:
    try:
        general_name(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def _requested(path: Path) -> PublicKey:
    try:
        return requested_key(path.read_bytes())
    except OSError as error:
        fail(f"cannot read {path}: {error.strerror}", EXIT_MISCONFIGURED)
    except ValueError as error:
        fail(f"{path} is no signing request that can be signed: {error}", EXIT_MISCONFIGURED)


def _now() -> datetime:
    return datetime.now(UTC)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
