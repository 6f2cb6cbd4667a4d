"""How durations, areas and texts are written in the bodies of requests."""

from datetime import timedelta
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)

from hub.domain.areas import Area, parse_area
from hub.domain.durations import parse_duration
from hub.domain.texts import clean, clean_name


def _duration(value: object) -> object:
    if not isinstance(value, str):
        msg = "write a duration as text: PT15M, P30D"
        raise ValueError(msg)  # noqa: TRY004  pydantic turns it into its own
    return parse_duration(value)


Duration = Annotated[timedelta, BeforeValidator(_duration)]


def _area(value: object) -> object:
    return value if isinstance(value, Area) else parse_area(value)


# Described as any JSON object: pydantic would check it as its own kind of object first.
Polygon = Annotated[Area, PlainValidator(_area), WithJsonSchema({"type": "object"})]


# Texts of people, in any script: a name is one line with something in it.
Name = Annotated[str, StringConstraints(max_length=200), AfterValidator(clean_name)]
Note = Annotated[str, StringConstraints(max_length=200), AfterValidator(clean)]
Prose = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(clean)]


class Body(BaseModel):
    """A JSON object of which we know every member."""

    model_config = ConfigDict(extra="forbid")
