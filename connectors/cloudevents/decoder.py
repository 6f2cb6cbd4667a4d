"""What does an event say about the payload within it, and what does that say?

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from connectors.naming import device_id
from connectors.untrusted import (
    Fault,
    Items,
    a_text,
    an_object,
    few,
    instant,
    kind,
    octets,
    shallow_json,
)
from hub.domain.intake import Decoded, Limits, Reason, Undecodable
from hub.domain.topics import device_of, readings_topic
from hub.ingest.ports import Decode

JSON = "application/json"  # what data is where nothing is said (JSON format, section 3.1.1)
_REQUIRED = ("id", "source", "type")

Choose = Callable[[str], Decode]
"""A media type to what decodes it; raises Fault where nothing does."""


def decode(topic: str, payload: bytes, limits: Limits, choose: Choose) -> Items:
    """Decode one event in structured mode, or a batch of them."""
    try:
        document = shallow_json(payload, limits)
        events = document if isinstance(document, list) else [document]
        few(len(events), limits)
        items: Items = []
        for event in events:
            items += _event(topic, event, choose)
            few(len(items), limits)
    except Fault as fault:
        return [fault.undecodable]
    return items or ([] if events else [Undecodable(Reason.EMPTY, "an empty list")])


def _event(topic: str, event: object, choose: Choose) -> Items:
    try:
        told = an_object(event, "an event")
        _check(told)
        media_type = _media_type(told.get("datacontenttype", JSON))
        time = None if told.get("time") is None else instant(told["time"])
        within = choose(media_type)(_topic(topic, told.get("subject")), _data(told, media_type))
        return list(_timed(within, time))
    except Fault as fault:
        return [fault.undecodable]


def _check(event: Mapping[str, object]) -> None:
    version = event.get("specversion")
    if not isinstance(version, str) or not version.startswith("1."):
        raise Fault(Reason.WRONG_SHAPE, "'specversion' must be \"1.0\": is this a CloudEvent?")
    for name in _REQUIRED:
        a_text(event.get(name), f"'{name}'")


def _media_type(told: object) -> str:
    return a_text(told, "'datacontenttype'").partition(";")[0].strip().lower()


def _topic(topic: str, subject: object) -> str:
    """Return where the payload would have been published without the event around it.

    A subject with a slash is such a topic, another is a device. On the topic of a device the
    subject says nothing: a device speaks for itself alone.
    """
    if subject is None or device_of(topic) is not None:
        return topic
    name = a_text(subject, "'subject'")
    return name if "/" in name else readings_topic(device_id(name))


def _data(event: Mapping[str, object], media_type: str) -> bytes:
    if "data_base64" in event:
        return octets(event["data_base64"], "'data_base64'")
    data = event.get("data")
    if data is None:
        raise Fault(Reason.EMPTY, "an event without data")
    if media_type.endswith(("/json", "+json")):
        try:
            return json.dumps(data, allow_nan=False).encode()
        except ValueError as error:  # 1e999, or an integer of thousands of digits
            raise Fault(Reason.BAD_VALUE, "'data' holds what is no finite number") from error
    if not isinstance(data, str):
        raise Fault(Reason.WRONG_SHAPE, f"'data' of {media_type} must be a text, not {kind(data)}")
    return data.encode()


def _timed(
    items: Sequence[Decoded | Undecodable], time: datetime | None
) -> Iterator[Decoded | Undecodable]:
    """Give readings without a time of their own that of the event."""
    for item in items:
        if time is None or isinstance(item, Undecodable) or isinstance(item.time, datetime):
            yield item
            continue
        try:
            yield item._replace(time=time + (item.time or timedelta()))
        except OverflowError:
            yield Undecodable(Reason.BAD_TIME, "a time outside the years 1 to 9999")
