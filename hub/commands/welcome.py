"""What does a newcomer need to know once everything runs?"""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from connectors.mqtt import Broker
from hub.commands import sample
from hub.commands.certifying import Certified
from hub.commands.files import Folder, short
from hub.commands.here import DATA
from hub.settings import Settings


@dataclass(frozen=True, slots=True)
class Reach:
    """How API and broker are reached, and with `up --tls` by which certificates."""

    settings: Settings
    broker: Broker
    certified: Certified | None = None

    @property
    def api(self) -> str:
        return f"{self.settings.api.scheme}://{self.settings.api.host}:{self.settings.api.port}"

    @property
    def authority(self) -> Path | None:
        """Return who signed the API's certificate, if we did; one that was given has its own."""
        made, served = self.certified, self.settings.api.certificate_file
        return made.authority if made is not None and served == made.server.certificate else None

    @property
    def by_certificate(self) -> Certified | None:
        """Return the certificates if the broker is ours, and so has a port for them."""
        return self.certified if self.settings.mqtt.url is None else None

    @property
    def mqtt(self) -> dict[str, str]:
        """Return the broker's addresses: the embedded one listens without TLS in any case."""
        host, port = self.broker.host, self.broker.port
        if self.broker.tls is None:
            return {"mqtt": f"mqtt://{host}:{port}"}
        plain = self.settings.mqtt.url is None
        return {
            "mqtt": f"mqtt://{host}:{self.settings.mqtt.port}"
            if plain
            else f"mqtts://{host}:{port}",
            "mqtts": f"mqtts://{host}:{port}",
        }

    @property
    def listens(self) -> list[str]:
        """Return where the broker listens, and for whom."""
        host, found = self.broker.host, [f"{self.broker.host}:{self.broker.port}"]
        if self.broker.tls is not None:
            found[0] += " (TLS)"
        if self.by_certificate is not None:
            mqtt = self.settings.mqtt
            found = [f"{host}:{mqtt.port}", *found, f"{host}:{mqtt.mtls_port} (certificates)"]
        return found


def credentials_file(reach: Reach, credentials: sample.Credentials) -> Mapping[str, object]:
    made = reach.certified
    return {
        "api": reach.api,
        **reach.mqtt,
        **({"authority": str(made.authority)} if made else {}),
        "keys": credentials.keys,
        "device": {
            "id": sample.DEMO_DEVICE,
            "password": credentials.passwords[sample.DEMO_DEVICE],
            "property": sample.DEMO_PROPERTY,
            "feed": sample.DEMO_FEED,
            "reader": sample.DEMO_READER,
        },
    }


def welcome(reach: Reach, folder: Folder, credentials: sample.Credentials | None) -> str:
    api = reach.api
    lines = [
        "",
        "Stadsnav runs.",
        f"  Page and API   {api}/   {api}/docs",
        f"  MQTT           {'   '.join(reach.listens)}",
        f"  Logs           {short(folder.logs)}",
    ]
    if reach.certified is not None:
        lines.append(
            f"  Authority      {short(reach.certified.authority)}   (for a browser to trust)"
        )
    if credentials is not None:
        lines += _things_to_try(reach, folder, credentials)
    lines += ["", "Manage it, in another terminal:", f"  {_admin(folder)}"]
    return "\n".join([*lines, "", "Ctrl-C stops everything; the data stays."])


def _admin(folder: Folder) -> str:
    where = (
        ""
        if folder.root == DATA.absolute()
        else f"STADSNAV_DATA={shlex.quote(short(folder.root))} "
    )
    return f"{where}{_program()} admin --help"


def _program() -> str:
    return shlex.quote(os.path.relpath(Path(sys.executable).with_name("stadsnav")))


def _things_to_try(reach: Reach, folder: Folder, credentials: sample.Credentials) -> list[str]:
    device, reader = sample.DEMO_DEVICE, credentials.keys[sample.DEMO_READER]
    message = '{"values": {"temperature": 21.5}}'
    feed = f"{reach.api}/api/v1/feeds/{sample.DEMO_FEED}"
    curl = "curl" if reach.authority is None else f"curl --cacert {_path(reach.authority)}"
    lines = [
        "",
        f"One key per organisation (also in {short(folder.credentials)}):",
        *(f"  {organisation:<12} {key}" for organisation, key in credentials.keys.items()),
        "",
        "Try it, in another terminal. Publish a reading as a device:",
        f"  {_publish(reach.broker, device, credentials.passwords[device], message)}",
    ]
    if reach.by_certificate is not None:
        port = reach.settings.mqtt.mtls_port
        lines += [
            "Or sign in by certificate, without a password:",
            f"  {_publish_certified(reach.by_certificate, reach.broker.host, port, message)}",
        ]
    return [
        *lines,
        "Read it as the traffic administration, which has an agreement about it:",
        f"  {curl} -H 'Authorization: Bearer {reader}' {feed}/latest",
        "Follow it (publish again meanwhile, and see it come):",
        f"  {curl} -N -H 'Authorization: Bearer {reader}' {feed}/stream",
    ]


def _publish(broker: Broker, device: str, password: str, message: str) -> str:
    """Return a command that publishes: Mosquitto's client where it is installed, or our own."""
    trusted = broker.tls.authority if broker.tls else None
    if shutil.which("mosquitto_pub"):
        secure = f"--cafile {_path(trusted)} " if trusted else ""
        return (
            f"mosquitto_pub -h {broker.host} -p {broker.port} {secure}-i {device} -u {device} "
            f"-P {password} -q 1 -t v1/devices/{device}/readings -m '{message}'"
        )
    secure = f"--tls-ca {_path(trusted)} " if trusted else "--tls " if broker.tls else ""
    return (
        f"{_program()} simulate send {device} --host {broker.host} --port {broker.port} "
        f"{secure}--password {password} '{message}'"
    )


def _publish_certified(made: Certified, host: str, port: int, message: str) -> str:
    device, authority = sample.DEMO_DEVICE, _path(made.authority)
    if shutil.which("mosquitto_pub"):
        return (
            f"mosquitto_pub -h {host} -p {port} --cafile {authority} "
            f"--cert {_path(made.device.certificate)} --key {_path(made.device.key)} -i {device} "
            f"-q 1 -t v1/devices/{device}/readings -m '{message}'"
        )
    return (
        f"{_program()} simulate send {device} --host {host} --port {port} --tls-ca {authority} "
        f"--certificates {_path(made.device.certificate.parent)} '{message}'"
    )


def _path(path: Path) -> str:
    return shlex.quote(short(path))
