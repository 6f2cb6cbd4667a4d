"""From a broker of somebody else's, each topic with its own format, to the store."""

import signal

import pytest

from bench import golden
from connectors.formats import FORMATS, decoder
from connectors.sparkplug.payload import _SCHEMA
from hub.broker.access import hash_password
from hub.domain.intake import Limits
from hub.domain.sensing import Device, ObservedProperty, ResultKind
from hub.storage import registry

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(120)]

MAPPING = str(golden.FOLDER / "mapping/sample.toml")
# What is subscribed to for each format; and where its message goes, if not where the case says.
SPOKEN = {
    "native": ("v1/devices/+/readings", None),
    "senml": ("senml/+", None),
    "senml-cbor": ("cbor/+", "cbor/gw-1"),
    "ttn": ("v3/+/devices/+/up", None),
    "ttn+decentlab-mbx": ("bytes/+", "bytes/level-1"),
    "chirpstack": ("application/+/device/+/event/up", None),
    "chirpstack-protobuf": ("protobuf/#", "protobuf/1/device/24e124136b000001/event/up"),
    "ngsi-ld": ("ngsi/#", None),
    "sensorthings": ("v1.1/#", None),
    "cloudevents": ("events/+", None),
    "cloudevents+ttn": ("uplinks/+", "uplinks/city"),
    "sparkplug": ("spBv1.0/#", None),
    "csv": ("csv/upload", None),
    "value": ("city/+/+", None),
    "zigbee2mqtt": ("zigbee2mqtt/#", None),
    "tasmota": ("tele/+/SENSOR", None),
    "shelly": ("shellyplus1pm-a8032ab12345/#", None),
    MAPPING: ("acme/#", None),
}


def messages_of(name):
    """Return the first golden case of a format that is stored whole, as it is published."""
    _, elsewhere = SPOKEN[name]
    for case in golden.cases():
        whole = all(one and not any(isinstance(i, str) for i in one) for one in case.gives)
        if case.format == name and whole:
            return [(elsewhere or topic, payload) for topic, payload in case.messages]
    raise AssertionError(name)


def test_every_format_is_published():
    assert {name.partition("+")[0] for name in SPOKEN} >= FORMATS.keys()


@pytest.fixture
async def elsewhere(system, make):
    """A hub at a broker whose rights somebody else keeps: there everybody may do everything."""
    passwords = system.broker.passwords.read_text()
    system.broker.passwords.write_text(passwords + f"anyone:{hash_password('anyone')}\n")
    users = (make.hub_user, "anyone")
    system.broker.acl.write_text("".join(f"user {user}\ntopic readwrite #\n" for user in users))
    system.broker.child.signal(signal.SIGHUP)
    system.keeps_users = False
    return system


def anyone(system):
    return system.device("anyone", password="anyone")


async def register(db, prefix, item, known):
    """Register what a reading needs; return whether it can be stored under what is there."""
    kind = ResultKind.TEXT if isinstance(item.value, str) else ResultKind.NUMBER
    of_kind, unit = known.get(item.property, (kind, item.unit or "1"))
    if of_kind != kind or item.unit not in (None, unit):
        return False  # the same word in another format, for something else
    if item.property not in known:
        known[item.property] = (kind, unit)
        told = ObservedProperty(item.property, item.property, unit, None, kind)
        await registry.add_property(db, told)
    device = prefix + item.device
    if not await db.fetchval("select 1 from device where id = $1", device):
        await registry.add_device(db, Device(device, "environment", "any", device, None), [])
    await db.execute(
        "insert into datastream (device, property) values ($1, $2) on conflict do nothing",
        device, item.property,
    )  # fmt: skip
    return True


async def test_one_message_of_each_format_is_stored(elsewhere, db, city, make):
    words, sent, wanted = [], [], set()
    rows = await db.fetch("select id, kind, unit from observed_property")
    known = {row["id"]: (ResultKind(row["kind"]), row["unit"]) for row in rows}
    for number, name in enumerate(SPOKEN):
        prefix = f"f{number}-"
        words.append(f"{SPOKEN[name][0]}={name}:{prefix}")
        decode = decoder(name, Limits())
        for message in messages_of(name):
            sent.append(message)
            for item in decode(*message):
                if await register(db, prefix, item, known):
                    wanted.add((prefix + item.device, item.property))
    elsewhere.settings = {"STADSNAV_INGEST_FORMAT": " ".join(words)}
    code, told = await elsewhere.run("connectors", "list")
    assert code == 0, told
    async with elsewhere.running("ingest"):
        await elsewhere.until_subscribed()
        async with anyone(elsewhere) as client:
            for topic, payload in sent:
                await client.publish(topic, payload, qos=1)

        async def stored():
            rows = await db.fetch(
                "select distinct s.device, s.property from reading r "
                "join datastream s on s.id = r.datastream_id"
            )
            return wanted <= {(row["device"], row["property"]) for row in rows}

        await make.eventually(stored)
    assert {device.partition("-")[0] for device, _ in wanted} == {
        f"f{number}" for number in range(len(SPOKEN))
    }


async def test_a_node_whose_birth_was_missed_is_asked_for_it(elsewhere, db, city, make):
    elsewhere.settings = {"STADSNAV_INGEST_FORMAT": "native spBv1.0/#=sparkplug"}
    message = _SCHEMA["Payload"]()
    message.timestamp, message.seq = int(make.noon.timestamp() * 1000), 7
    metric = message.metrics.add()
    metric.alias, metric.double_value = 1, 50.0
    async with elsewhere.running("ingest"):
        await elsewhere.until_subscribed()
        async with anyone(elsewhere) as node:
            await node.subscribe("spBv1.0/plant/NCMD/gw-1", qos=1)
            data = message.SerializeToString()
            await node.publish("spBv1.0/plant/DDATA/gw-1/pump-7", data, qos=1)
            command = await anext(aiter(node.messages))
    asked = _SCHEMA["Payload"].FromString(command.payload)
    assert [metric.name for metric in asked.metrics] == ["Node Control/Rebirth"]
    assert await db.fetchval("select reason from rejection") == "unknown_alias"


async def test_a_wrong_mapping_ends_the_start_with_one_line(elsewhere, tmp_path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[[message]]\ndevice = {path = "id"}\n')
    elsewhere.settings = {"STADSNAV_INGEST_FORMAT": f"native acme/#={wrong}"}
    code, told = await elsewhere.run("ingest")
    assert code != 0
    assert "message.1.value: Field required" in told
    assert "Traceback" not in told
