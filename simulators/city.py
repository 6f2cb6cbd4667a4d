"""Who lives in the sample city, what do they measure, and where?"""

import hashlib
import math
from dataclasses import dataclass

CENTRE = (17.95, 59.45)  # Nordhamn exists nowhere else
DEGREE_LAT_M = 111_320.0
DEGREE_LON_M = DEGREE_LAT_M * math.cos(math.radians(CENTRE[1]))


@dataclass(frozen=True, slots=True)
class Organisation:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ObservedProperty:
    """What is measured: unit as UCUM code, plausible range in it, `kind` number or text."""

    id: str
    name: str
    unit: str
    definition: str | None
    kind: str = "number"
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Device:
    """A device at a place (degrees, WGS 84) that speaks every `interval_s` seconds."""

    id: str
    organisation: str
    kind: str
    name: str
    lon: float
    lat: float
    moving: bool
    properties: tuple[str, ...]
    interval_s: float


@dataclass(frozen=True, slots=True)
class City:
    organisations: tuple[Organisation, ...]
    properties: tuple[ObservedProperty, ...]
    devices: tuple[Device, ...]


ORGANISATIONS = (
    Organisation("traffic", "Traffic Administration"),
    Organisation("environment", "Environment Administration"),
    Organisation("water", "Nordhamn Water and Waste AB"),
    Organisation("property", "Nordhamn Properties AB"),
    Organisation("region", "Region Norr"),
)

_QUDT = "https://qudt.org/vocab/quantitykind/"

PROPERTIES = (
    ObservedProperty("no2", "Nitrogen dioxide", "ug/m3", None, low=0, high=500),
    ObservedProperty("pm10", "Particles below 10 µm", "ug/m3", None, low=0, high=600),
    ObservedProperty("pm2_5", "Particles below 2.5 µm", "ug/m3", None, low=0, high=400),
    ObservedProperty(
        "temperature", "Air temperature", "Cel", f"{_QUDT}Temperature", low=-45, high=45
    ),
    ObservedProperty(
        "laeq", "Equivalent sound level", "dB[SPL]", f"{_QUDT}SoundPressureLevel", low=20, high=130
    ),
    ObservedProperty("vehicle_count", "Vehicles a minute", "/min", None, low=0, high=200),
    ObservedProperty("vehicle_speed", "Mean speed", "km/h", f"{_QUDT}Speed", low=0, high=160),
    ObservedProperty("free_spaces", "Free parking spaces", "1", None, low=0, high=2000),
    ObservedProperty("parking_status", "Status of a car park", "1", None, kind="text"),
    ObservedProperty("water_level", "Water level", "m", f"{_QUDT}Height", low=-3, high=10),
    ObservedProperty(
        "water_temperature", "Water temperature", "Cel", f"{_QUDT}Temperature", low=-2, high=35
    ),
    ObservedProperty(
        "humidity", "Relative humidity", "%", f"{_QUDT}RelativeHumidity", low=0, high=100
    ),
    ObservedProperty("wind_speed", "Wind speed", "m/s", f"{_QUDT}Speed", low=0, high=60),
    ObservedProperty("precipitation", "Rain", "mm/h", None, low=0, high=150),
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """So many devices of a kind, spread over the city within `radius_m` of a district."""

    kind: str
    organisation: str
    count: int
    properties: tuple[str, ...]
    interval_s: float
    name: str


# Together about twenty messages a second.
_KINDS = (
    _Kind("air-quality", "environment", 40, ("no2", "pm10", "pm2_5", "temperature"), 10, "Air"),
    _Kind("noise", "environment", 40, ("laeq",), 8, "Noise"),
    _Kind("traffic-counter", "traffic", 49, ("vehicle_count", "vehicle_speed"), 10, "Traffic"),
    _Kind("parking", "property", 30, ("free_spaces", "parking_status"), 12, "Car park"),
    _Kind("water-level", "water", 25, ("water_level", "water_temperature"), 10, "Water"),
    _Kind(
        "weather",
        "region",
        15,
        ("temperature", "humidity", "wind_speed", "precipitation"),
        10,
        "Weather",
    ),
)

_DISTRICTS = (
    ("Gamla hamnen", 0, 0, 900),
    ("Kvarnberget", -1900, 900, 800),
    ("Norrmalmen", 300, 2000, 900),
    ("Sjövik", 2300, -600, 900),
    ("Lundby", -2500, -1300, 900),
    ("Industrivägen", 1900, 1800, 700),
)

_STREETS = (
    "Storgatan", "Hamngatan", "Kungsvägen", "Skolgatan", "Bryggargatan", "Sjötullsgatan",
    "Kvarngatan", "Ringvägen", "Järnvägsgatan", "Parkvägen", "Fiskargatan", "Klockargränd",
)  # fmt: skip


def sample_city() -> City:
    """Return the city of Nordhamn: five organisations, 200 devices, the same at every call."""
    devices = [_device(kind, number) for kind in _KINDS for number in range(1, kind.count + 1)]
    return City(ORGANISATIONS, PROPERTIES, (*devices, _bus()))


def chance(*key: object) -> float:
    """Return a number in [0, 1) that depends on the key alone, today and on every machine."""
    digest = hashlib.blake2b(repr(key).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _device(kind: _Kind, number: int) -> Device:
    id_ = f"{kind.kind}-{number:03}"
    district, east_m, north_m, radius_m = _DISTRICTS[int(chance(id_, "district") * len(_DISTRICTS))]
    angle, distance = chance(id_, "angle") * math.tau, math.sqrt(chance(id_, "far")) * radius_m
    lon, lat = at(east_m + distance * math.cos(angle), north_m + distance * math.sin(angle))
    street = _STREETS[int(chance(id_, "street") * len(_STREETS))]
    house = 1 + int(chance(id_, "house") * 60)
    name = f"{kind.name} {street} {house}, {district}"
    return Device(
        id_, kind.organisation, kind.kind, name, lon, lat, False, kind.properties, kind.interval_s
    )


def _bus() -> Device:
    lon, lat = CENTRE
    return Device(
        "bus-1", "region", "bus", "Bus 1, Gamla hamnen to Sjövik", lon, lat, True,
        ("temperature", "vehicle_speed"), 2,
    )  # fmt: skip


def at(east_m: float, north_m: float) -> tuple[float, float]:
    """Return (lon, lat) so many metres from the centre, to a tenth of a metre or so."""
    return (
        round(CENTRE[0] + east_m / DEGREE_LON_M, 6),
        round(CENTRE[1] + north_m / DEGREE_LAT_M, 6),
    )
