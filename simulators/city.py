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

_QUDT = "http://qudt.org/vocab/quantitykind/"  # QUDT's own identifiers are http, not https
_CF = "http://vocab.nerc.ac.uk/standard_name/"  # the CF standard names
_EEA = "http://dd.eionet.europa.eu/vocabulary/aq/pollutant/"  # as in EU air quality reporting

PROPERTIES = (
    ObservedProperty("no2", "Nitrogen dioxide", "ug/m3", f"{_EEA}8", low=0, high=500),
    ObservedProperty("pm10", "Particles below 10 µm", "ug/m3", f"{_EEA}5", low=0, high=600),
    ObservedProperty("pm2_5", "Particles below 2.5 µm", "ug/m3", f"{_EEA}6001", low=0, high=400),
    ObservedProperty(
        "temperature", "Air temperature", "Cel", f"{_CF}air_temperature/", low=-45, high=45
    ),
    ObservedProperty(
        "laeq", "Equivalent sound level", "dB[SPL]", f"{_QUDT}SoundPressureLevel", low=20, high=130
    ),
    ObservedProperty("vehicle_count", "Vehicles a minute", "{vehicles}", None, low=0, high=200),
    ObservedProperty("vehicle_speed", "Mean speed", "km/h", f"{_QUDT}Speed", low=0, high=160),
    ObservedProperty("free_spaces", "Free parking spaces", "{spaces}", None, low=0, high=2000),
    ObservedProperty("parking_status", "Status of a car park", "1", None, kind="text"),
    ObservedProperty(
        "water_level",
        "Water level",
        "m",
        f"{_CF}water_surface_height_above_reference_datum/",
        low=-3,
        high=10,
    ),
    ObservedProperty(
        "water_temperature", "Water temperature", "Cel", f"{_QUDT}Temperature", low=-2, high=35
    ),
    ObservedProperty(
        "humidity", "Relative humidity", "%", f"{_CF}relative_humidity/", low=0, high=100
    ),
    ObservedProperty("wind_speed", "Wind speed", "m/s", f"{_CF}wind_speed/", low=0, high=60),
    ObservedProperty("precipitation", "Rain", "mm/h", f"{_CF}rainfall_rate/", low=0, high=150),
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """So many devices of a kind, spread over the districts, or along the shore."""

    kind: str
    organisation: str
    count: int
    properties: tuple[str, ...]
    interval_s: float
    name: str
    ashore: bool = False


# Together about twenty messages a second.
_KINDS = (
    _Kind("air-quality", "environment", 40, ("no2", "pm10", "pm2_5", "temperature"), 10, "Air"),
    _Kind("noise", "environment", 40, ("laeq",), 8, "Noise"),
    _Kind("traffic-counter", "traffic", 49, ("vehicle_count", "vehicle_speed"), 10, "Traffic"),
    _Kind("parking", "property", 30, ("free_spaces", "parking_status"), 12, "Car park"),
    _Kind("water-level", "water", 25, ("water_level", "water_temperature"), 10, "Water", True),
    _Kind(
        "weather",
        "region",
        15,
        ("temperature", "humidity", "wind_speed", "precipitation"),
        10,
        "Weather",
    ),
)

# Name, metres east and north of the centre, radius in metres: together about 8 by 6 km.
_WATERSIDE = (("Gamla hamnen", 0, -200, 1000), ("Sjövik", 2900, -1000, 1100))
_DISTRICTS = (
    *_WATERSIDE,
    ("Kvarnberget", -2400, 1200, 1000),
    ("Norrmalmen", 300, 2100, 1000),
    ("Lundby", -2900, -1600, 1100),
    ("Industrivägen", 2500, 1900, 900),
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
    districts = _WATERSIDE if kind.ashore else _DISTRICTS
    district, east_m, north_m, radius_m = districts[int(chance(id_, "district") * len(districts))]
    # The water lies south of the waterside districts: their southern edge is the shore.
    angle = chance(id_, "angle") * (-math.pi if kind.ashore else math.tau)
    distance = radius_m * (1 if kind.ashore else math.sqrt(chance(id_, "far")))
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
        ("temperature", "vehicle_speed"), 5,
    )  # fmt: skip


def at(east_m: float, north_m: float) -> tuple[float, float]:
    """Return (lon, lat) so many metres from the centre, to a tenth of a metre or so."""
    return (
        round(CENTRE[0] + east_m / DEGREE_LON_M, 6),
        round(CENTRE[1] + north_m / DEGREE_LAT_M, 6),
    )
