"""Does Mosquitto run with the configuration in deploy/, and listen as that says?"""

import asyncio
import getpass
import ssl
from pathlib import Path

import pytest

from hub.certificates.folder import Kind
from hub.embedded import mosquitto
from hub.embedded.network import answers, free_port
from hub.embedded.process import Child

DEPLOY = Path(__file__).parents[2] / "deploy" / "mosquitto"


@pytest.fixture
async def listening(tmp_path, broker_folder, certificates, make):
    """The ports in place of 1883, 8883 and 8884, with paths below a folder of the test."""
    served = certificates.pair(Kind.SERVER, "localhost")
    for ending in ("crt", "key"):
        source = served.certificate if ending == "crt" else served.key
        (source.parent / f"broker.{ending}").write_bytes(source.read_bytes())
    text = (DEPLOY / "mosquitto.conf").read_text() + (DEPLOY / "tls.conf").read_text()
    ports = {number: free_port() for number in (1883, 8883, 8884)}
    for number, port in ports.items():
        text = text.replace(f"\nlistener {number}\n", f"\nlistener {port} 127.0.0.1\n")
    text = text.replace("/mosquitto/users", str(broker_folder))
    text = text.replace("/mosquitto/certificates", str(certificates.root))
    text = text.replace("/mosquitto/data", str(tmp_path))
    assert "/mosquitto/" not in text
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"user {getpass.getuser()}\n{text}")
    child = Child("mosquitto", [mosquitto.program(), "-c", str(config)], tmp_path / "log")
    await child.start()
    try:

        async def ready():
            assert child.is_running, child.last_words()
            return all([await answers(port) for port in ports.values()])

        await make.eventually(ready)
        yield ports
    finally:
        await child.stop()


async def test_it_listens_on_three_ports_and_asks_for_certificates_on_one(
    listening, certificates, make
):
    context = ssl.create_default_context(cafile=certificates.authority.certificate)
    for number, asked in ((8883, False), (8884, True)):
        reader, writer = await asyncio.open_connection("127.0.0.1", listening[number], ssl=context)
        writer.write(b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00")  # CONNECT without a name
        answer = b""
        try:
            async with asyncio.timeout(5):
                answer = await reader.read(4)
        except ssl.SSLError as error:
            assert "CERTIFICATE_REQUIRED" in str(error)  # noqa: PT017  no error is as good
        except ConnectionResetError:
            assert asked
        assert bool(answer) is not asked
        writer.transport.abort()
