"""How does a value in one unit become a value in another? UCUM, as far as a city measures.

The Unified Code for Units of Measure, version 2.2, case sensitive: prefixes, products, quotients,
exponents, annotations, and the atoms below. https://ucum.org/ucum
"""

import math
import re
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from functools import lru_cache

UNIT_LENGTH = 60  # characters; the longest that is in use anywhere has fewer than 30
EXPONENT = 30  # at most: 10*-30 is a mole's part of a mole
_REMEMBERED = 4_096

_PREFIXES = {
    "Y": 24, "Z": 21, "E": 18, "P": 15, "T": 12, "G": 9, "M": 6, "k": 3, "h": 2, "da": 1,
    "d": -1, "c": -2, "m": -3, "u": -6, "n": -9, "p": -12, "f": -15, "a": -18, "z": -21, "y": -24,
}  # fmt: skip

# A mole and a bit are dimensions here, and in UCUM plain numbers: 1 mol/m3 is not 1/m3 to anybody
# who measures it. A level in bel has its reference in the property, not in the unit.
_METRIC = {
    "m": "1 m", "g": "1 g", "s": "1 s", "K": "1 K", "A": "1 A", "cd": "1 cd", "rad": "1 rad",
    "mol": "1 mol", "bit": "1 bit", "B": "1 level", "B[SPL]": "1 level", "B[W]": "1 power_level",
    "Hz": "1 s-1", "Bq": "1 s-1", "N": "1000 g.m.s-2", "Pa": "1000 g.m-1.s-2",
    "J": "1000 g.m2.s-2", "W": "1000 g.m2.s-3", "C": "1 A.s", "V": "1000 g.m2.s-3.A-1",
    "Ohm": "1000 g.m2.s-3.A-2", "S": "1/1000 g-1.m-2.s3.A2", "F": "1/1000 g-1.m-2.s4.A2",
    "Wb": "1000 g.m2.s-2.A-1", "T": "1000 g.s-2.A-1", "H": "1000 g.m2.s-2.A-2",
    "lm": "1 cd.sr", "lx": "1 cd.sr.m-2", "Gy": "1 m2.s-2", "Sv": "1 m2.s-2",
    "l": "1/1000 m3", "L": "1/1000 m3", "ar": "100 m2", "t": "1000000 g",
    "bar": "100000000 g.m-1.s-2",
    "m[Hg]": "133322387 g.m-1.s-2", "m[H2O]": "9806650 g.m-1.s-2",
    "eV": "1.602176634e-16 g.m2.s-2", "cal": "4184 g.m2.s-2", "By": "8 bit", "Bd": "1 s-1",
    "sr": "1 sr",
}  # fmt: skip
_PLAIN = {
    "%": "1/100", "[ppth]": "1/1000", "[ppm]": "1/1000000", "[ppb]": "1/1000000000",
    "[pptr]": "1/1000000000000", "[pi]": repr(math.pi), "10*": "10", "10^": "10", "[pH]": "1 pH",
    "min": "60 s", "h": "3600 s", "d": "86400 s", "wk": "604800 s", "mo": "2629800 s",
    "a": "31557600 s", "deg": f"{math.pi / 180!r} rad", "'": f"{math.pi / 10800!r} rad",
    "''": f"{math.pi / 648000!r} rad", "gon": f"{math.pi / 200!r} rad",
    "atm": "101325000 g.m-1.s-2", "[psi]": "6894757.293168 g.m-1.s-2",
    "[in_i'Hg]": "3386388.6298 g.m-1.s-2", "[in_i]": "0.0254 m", "[ft_i]": "0.3048 m",
    "[yd_i]": "0.9144 m", "[mi_i]": "1609.344 m",
    "[nmi_i]": "1852 m", "[kn_i]": "463/900 m.s-1", "[lb_av]": "453.59237 g",
    "[gal_us]": "0.003785411784 m3", "[g]": "9.80665 m.s-2",
}  # fmt: skip
_SPECIAL = {  # to kelvin: factor and offset; never part of a product
    "Cel": (Fraction(1), Fraction("273.15")),
    "[degF]": (Fraction(5, 9), Fraction("459.67") * Fraction(5, 9)),
}

Dimension = tuple[tuple[str, int], ...]


class Misfit(Enum):
    """Why a value cannot be converted."""

    UNKNOWN_SENT = "the unit that was sent is not known"
    UNKNOWN_WANTED = "the property's unit is not known"
    DIMENSION = "the units measure different things"


@dataclass(frozen=True, slots=True)
class Conversion:
    """To the wanted unit: value × numerator / denominator + offset."""

    numerator: float
    denominator: float
    offset: float

    def __call__(self, value: float) -> float:
        return value * self.numerator / self.denominator + self.offset


@dataclass(frozen=True, slots=True)
class _Unit:
    """What one of a unit is in base units: factor × value + offset, of a dimension."""

    factor: Fraction
    dimension: Dimension = ()
    offset: Fraction = Fraction(0)

    def __mul__(self, other: "_Unit") -> "_Unit":
        exponents = dict(self.dimension)
        for base, exponent in other.dimension:
            exponents[base] = exponents.get(base, 0) + exponent
        return _Unit(self.factor * other.factor, _sorted(exponents))

    def __pow__(self, exponent: int) -> "_Unit":
        if abs(exponent) > EXPONENT:
            raise _Unreadable
        raised = {base: power * exponent for base, power in self.dimension}
        return _Unit(self.factor**exponent, _sorted(raised))


class _Unreadable(Exception):  # noqa: N818  never leaves this module
    pass


def _sorted(exponents: dict[str, int]) -> Dimension:
    return tuple(sorted((base, power) for base, power in exponents.items() if power))


def conversion(sent: str, wanted: str) -> Conversion | Misfit:
    """Return how a value in the unit `sent` becomes one in `wanted`, or why it cannot."""
    return _conversion(sent, wanted) if len(sent) <= UNIT_LENGTH else Misfit.UNKNOWN_SENT


@lru_cache(_REMEMBERED)
def _conversion(sent: str, wanted: str) -> Conversion | Misfit:
    source, target = _unit(sent), _unit(wanted)
    if source is None:
        return Misfit.UNKNOWN_SENT
    if target is None:
        return Misfit.UNKNOWN_WANTED
    if source.dimension != target.dimension:
        return Misfit.DIMENSION
    ratio = source.factor / target.factor
    offset = (source.offset - target.offset) / target.factor
    try:
        return Conversion(float(ratio.numerator), float(ratio.denominator), float(offset))
    except OverflowError:
        return Conversion(float(ratio), 1.0, float(offset))


def is_unit(text: str) -> bool:
    """Tell whether a text is a unit that values can be converted from and to."""
    return len(text) <= UNIT_LENGTH and _unit(text) is not None


@lru_cache(_REMEMBERED)
def _unit(text: str) -> _Unit | None:
    if not text:
        return None
    special = _special(text)
    if special is not None:
        return special
    try:
        return _Reader(text).whole()
    except _Unreadable:
        return None


def _special(text: str) -> _Unit | None:
    for name, (factor, offset) in _SPECIAL.items():
        prefix = text.removesuffix(name)
        if prefix != text and (not prefix or (name == "Cel" and prefix in _PREFIXES)):
            power = Fraction(10) ** _PREFIXES.get(prefix, 0)
            return _Unit(factor * power, (("K", 1),), offset)
    return None


_COMPONENT = re.compile(
    r"(?:(?P<name>10[*^]|(?:[A-Za-z%']|\[[^\[\]{}]+\])+)(?P<power>[+-]?[0-9]{1,3})?"
    r"|(?P<factor>[1-9][0-9]{0,8}))?(?P<note>\{[ -z|~]*\})?"
)


class _Reader:
    """Reads a unit by UCUM's grammar (section 2, table 1)."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def whole(self) -> _Unit:
        made = self._term()
        if self._at != len(self._text):
            raise _Unreadable
        return made

    def _term(self) -> _Unit:
        made = _Unit(Fraction(1))
        sign = 1
        if self._take("/"):
            sign = -1
        while True:
            made *= self._component() ** sign
            if self._take("."):
                sign = 1
            elif self._take("/"):
                sign = -1
            else:
                return made

    def _component(self) -> _Unit:
        if self._take("("):
            made = self._term()
            if not self._take(")"):
                raise _Unreadable
            return made
        match = _COMPONENT.match(self._text, self._at)
        if match is None or match.end() == self._at:
            raise _Unreadable
        self._at = match.end()
        factor, name, power = match.group("factor", "name", "power")
        if factor:
            return _Unit(Fraction(int(factor)))
        if name:
            return _atom(name) ** int(power or 1)
        return _Unit(Fraction(1))  # an annotation alone, such as {vehicles}

    def _take(self, sign: str) -> bool:
        if not self._text.startswith(sign, self._at):
            return False
        self._at += 1
        return True


def _atom(name: str) -> _Unit:
    """Return what an atom is, or a prefix before a metric one."""
    if name in _ATOMS:
        return _ATOMS[name]
    for length in (1, 2):
        atom = name[length:]
        if name[:length] in _PREFIXES and atom in _METRIC:
            return _Unit(Fraction(10) ** _PREFIXES[name[:length]]) * _ATOMS[atom]
    raise _Unreadable


def _defined(told: str) -> _Unit:
    """Read a line of the tables: a factor, then base units with their exponents."""
    factor, _, bases = told.partition(" ")
    exponents: dict[str, int] = {}
    for part in bases.split(".") if bases else ():
        base = part.rstrip("-0123456789")
        exponents[base] = int(part[len(base) :] or 1)
    return _Unit(Fraction(factor), _sorted(exponents))


_ATOMS = {name: _defined(told) for name, told in (_METRIC | _PLAIN).items()}
