"""What may a mapping file say? All of it is checked when it is read."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    InstanceOf,
    ValidationError,
    model_validator,
)

from connectors.mapping import expressions, topics
from connectors.mapping.expressions import Expression
from hub.domain.identity import slug
from hub.domain.units import is_unit
from hub.errors import ConfigurationError


def _compiled(text: Any) -> Expression:  # noqa: ANN401  whatever the file says
    if not isinstance(text, str):
        raise ValueError("must be a JMESPath in quotes")  # noqa: TRY004  pydantic wants it
    return expressions.compiled(text)


def _known_unit(text: str) -> str:
    if not is_unit(text):
        raise ValueError(f"{text!r} is no UCUM unit that we know")
    return text


def _topic_pattern(text: str) -> str:
    topics.pattern(text)
    return text


def _template(text: str) -> str:
    topics.names_in(text)
    return text


Found = Annotated[InstanceOf[Expression], BeforeValidator(_compiled)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class OfTopic(_Table):
    """A name made of the levels of the topic."""

    topic: Annotated[str, AfterValidator(_template)]


class At(_Table):
    """A name that the payload says."""

    path: Found


class TimeAt(_Table):
    path: Found
    form: Literal["iso", "s", "ms", "us", "ns"] = Field("iso", alias="as")


class PositionAt(_Table):
    lon: Found
    lat: Found


class Value(_Table):
    """One value: where it is, which property it is of, and what becomes of it."""

    property: Annotated[str, AfterValidator(slug)] | At | OfTopic
    path: Found
    unit: Annotated[str, AfterValidator(_known_unit)] | None = None
    scale: float = 1.0
    offset: float = 0.0
    words: dict[str, float | str] = Field(default_factory=dict)
    text: bool = False
    required: bool = False


class Message(_Table):
    """What is in the messages on a topic."""

    topic: Annotated[str, AfterValidator(_topic_pattern)] = "#"
    each: Found | None = None
    device: At | OfTopic
    time: TimeAt | None = None
    position: PositionAt | None = None
    value: list[Value] = Field(min_length=1, max_length=200)

    @model_validator(mode="after")
    def _names_are_levels(self) -> Self:
        known = set(topics.pattern(self.topic).groupindex)
        for told in (self.device, *(value.property for value in self.value)):
            if isinstance(told, OfTopic) and topics.names_in(told.topic) - known:
                missing = min(topics.names_in(told.topic) - known)
                raise ValueError(f"the topic {self.topic!r} has no level {{{missing}}}")
        return self


class MappingFile(_Table):
    message: list[Message] = Field(min_length=1)


def read_file(path: Path) -> MappingFile:
    """Read a mapping; raise ConfigurationError saying what is wrong, and where."""
    try:
        return MappingFile.model_validate(tomllib.loads(path.read_text("utf-8")))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is no TOML: {error}") from error
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {_first_fault(error)}") from error


def _first_fault(error: ValidationError) -> str:
    faults = error.errors(include_url=False)
    # Where there is a choice, what was not chosen is at fault too: our own words say more.
    fault = next((one for one in faults if one["type"] == "value_error"), faults[0])
    where = ".".join(str(part + 1 if isinstance(part, int) else part) for part in fault["loc"])
    return f"{where}: {fault['msg'].removeprefix('Value error, ')}"
