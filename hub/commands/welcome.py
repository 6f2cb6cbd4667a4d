"""What does a newcomer need to know once everything runs?"""

import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from connectors.mqtt import Broker
from hub.commands import sample
from hub.commands.files import Folder, short
from hub.commands.here import DATA
from hub.settings import Settings


def credentials_file(
    settings: Settings, broker: Broker, credentials: sample.Credentials
) -> Mapping[str, object]:
    return {
        "api": f"http://{settings.api.host}:{settings.api.port}",
        "mqtt": f"mqtt://{broker.host}:{broker.port}",
        "keys": credentials.keys,
        "device": {
            "id": sample.DEMO_DEVICE,
            "password": credentials.passwords[sample.DEMO_DEVICE],
            "property": sample.DEMO_PROPERTY,
            "feed": sample.DEMO_FEED,
            "reader": sample.DEMO_READER,
        },
    }


def welcome(
    settings: Settings, folder: Folder, broker: Broker, credentials: sample.Credentials | None
) -> str:
    api = f"http://{settings.api.host}:{settings.api.port}"
    lines = [
        "",
        "Stadsnav runs.",
        f"  Page and API   {api}/   {api}/docs",
        f"  MQTT           {broker.host}:{broker.port}",
        f"  Logs           {short(folder.logs)}",
    ]
    if credentials is not None:
        lines += _things_to_try(api, folder, broker, credentials)
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


def _things_to_try(
    api: str, folder: Folder, broker: Broker, credentials: sample.Credentials
) -> list[str]:
    device, reader = sample.DEMO_DEVICE, credentials.keys[sample.DEMO_READER]
    password = credentials.passwords[device]
    message = '{"values": {"temperature": 21.5}}'
    feed = f"{api}/api/v1/feeds/{sample.DEMO_FEED}"
    return [
        "",
        f"One key per organisation (also in {short(folder.credentials)}):",
        *(f"  {organisation:<12} {key}" for organisation, key in credentials.keys.items()),
        "",
        "Try it, in another terminal. Publish a reading as a device:",
        f"  {_publish(broker, device, password, message)}",
        "Read it as the traffic administration, which has an agreement about it:",
        f"  curl -H 'Authorization: Bearer {reader}' {feed}/latest",
        "Follow it (publish again meanwhile, and see it come):",
        f"  curl -N -H 'Authorization: Bearer {reader}' {feed}/stream",
    ]


def _publish(broker: Broker, device: str, password: str, message: str) -> str:
    """Return a command that publishes: Mosquitto's client where it is installed, or our own."""
    topic = f"v1/devices/{device}/readings"
    if shutil.which("mosquitto_pub"):
        return (
            f"mosquitto_pub -h {broker.host} -p {broker.port} -i {device} -u {device} "
            f"-P {password} -q 1 -t {topic} -m '{message}'"
        )
    return (
        f"{_program()} simulate send {device} --host {broker.host} --port {broker.port} "
        f"--password {password} '{message}'"
    )
