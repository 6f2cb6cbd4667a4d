"""Which codec reads the bytes of which device?"""

from connectors.lorawan import decentlab, elsys, milesight
from connectors.lorawan.codec import Codec
from hub.errors import ConfigurationError

CODECS: dict[str, Codec] = {
    "elsys": elsys.decode,
    "milesight-am": milesight.ambience,
    "milesight-em": milesight.environment,
    **decentlab.CODECS,
}
_MILESIGHT = {"am": "milesight-am", "em": "milesight-em"}


def codec(name: str) -> Codec:
    """Return a codec; raise ConfigurationError where there is no such codec."""
    if name not in CODECS:
        known = ", ".join(CODECS)
        raise ConfigurationError(f"there is no codec '{name}'; known are {known}")
    return CODECS[name]


def of_model(brand: str, model: str) -> Codec | None:
    """Return the codec of a model in the LoRaWAN Device Repository, if we have one.

    https://github.com/TheThingsNetwork/lorawan-devices
    """
    if brand == "elsys":
        return CODECS["elsys"]
    if brand == "milesight-iot":
        return CODECS.get(_MILESIGHT.get(model[:2], ""))
    if brand == "decentlab":
        return CODECS.get(f"decentlab-{model.removeprefix('dl-')}")
    return None
