"""Which topics does a pattern fit, and what do their levels say? `acme/{site}/+/data`."""

import re
from collections.abc import Mapping

_LEVEL = re.compile(r"\{(?P<name>[a-z][a-z0-9_]*)\}", re.ASCII)


def pattern(text: str) -> re.Pattern[str]:
    """Compile a topic filter whose levels may have names; raise ValueError where it is none."""
    levels = text.split("/")
    told: list[str] = []
    for number, level in enumerate(levels):
        match = _LEVEL.fullmatch(level)
        if match:
            told.append(f"(?P<{match['name']}>[^/]*)")
        elif level == "+":
            told.append("[^/]*")
        elif level == "#" and number == len(levels) - 1:
            told.append(".*")
        elif set(level) & set("+#{}"):
            raise ValueError(
                f"{text!r} is no topic pattern: {level!r} must be a word, +, a name such as "
                "{site}, or # at the end"
            )
        else:
            told.append(re.escape(level))
    try:
        return re.compile("/".join(told), re.DOTALL)
    except re.error as error:  # a name twice
        raise ValueError(f"{text!r} is no topic pattern: {error}") from error


def names_in(template: str) -> set[str]:
    """Return the names that a template wants from a topic: `{site}-{unit}` wants two."""
    rest = _LEVEL.sub("", template)
    if set(rest) & set("{}"):
        raise ValueError(f"{template!r} has braces that are no name such as {{site}}")
    return {match["name"] for match in _LEVEL.finditer(template)}


def filled(template: str, names: Mapping[str, str]) -> str:
    return _LEVEL.sub(lambda match: names[match["name"]], template)
