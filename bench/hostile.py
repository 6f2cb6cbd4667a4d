"""What takes a decoder longest? Messages of 64 KB that are made to cost much, of every format.

Golden cases are stretched where they can be: a list in JSON gets more of its elements, an object
more members, with names that are costly to make an id of; a table gets more rows and more columns;
binary is repeated, which for Protocol Buffers means more of every field.
"""

import json
from collections.abc import Iterator
from typing import Any

import cbor2

from bench import golden

SIZE = 64 * 1024  # bytes
Message = tuple[str, bytes]


def messages(format_: str, size: int = SIZE) -> Iterator[Message]:
    """Yield messages of nearly so many bytes for a format."""
    topics: dict[str, None] = {}
    for case in golden.cases():
        if case.format != format_:
            continue
        for topic, payload in case.messages:
            topics[topic] = None
            yield from ((topic, hostile) for hostile in _stretched(payload, size))
    for topic in topics:
        yield from ((topic, hostile) for hostile in _plain(size))


def _plain(size: int) -> Iterator[bytes]:
    """Yield what needs no format."""
    yield b"[" * size
    yield b'{"a":' * (size // 5)
    yield b'["' + b"a" * (size - 4) + b'"]'
    yield b"[" + b"1," * (size // 2 - 2) + b"1]"
    yield b"[" + b"{}," * (size // 3 - 2) + b"{}]"
    yield b"[" + b",".join([b"1" * 4_000] * (size // 4_001)) + b"]"
    yield b"," * size
    yield b"a,b\n" * (size // 4)
    yield b"\x80" * size
    yield b"\x12\x00" * (size // 2)
    yield b"\x9f" * size


def _stretched(payload: bytes, size: int) -> Iterator[bytes]:
    if not payload or len(payload) > size // 4:
        return
    yield payload * (size // len(payload))
    lines = payload.rstrip(b"\n").split(b"\n")
    if len(lines) > 1:
        yield b"\n".join(lines + lines[-1:] * ((size - len(payload)) // (len(lines[-1]) + 1)))
        columns = b"".join(b",%s" % name.encode() for name in _names(12, size - len(payload)))
        yield lines[0] + columns + b"\n" + lines[1] + b",1" * columns.count(b",")
    yield from _packs(payload, size)
    try:
        document = json.loads(payload)
    except (ValueError, RecursionError):
        return
    for path in _branches(document):
        for name_length in (4, 12, 120):
            yield json.dumps(_grown(document, path, name_length, size - len(payload))).encode()[
                :size
            ]


def _packs(payload: bytes, size: int) -> Iterator[bytes]:
    """Yield packs of CBOR with more records, and with records of more and longer labels."""
    try:
        pack = cbor2.loads(payload)
    except (cbor2.CBORError, ValueError, RecursionError):
        return
    if not isinstance(pack, list) or not pack or not isinstance(pack[-1], dict):
        return
    yield cbor2.dumps(pack + pack[-1:] * ((size - len(payload)) // len(cbor2.dumps(pack[-1]))))
    for length in (4, 12, 120):
        more = dict.fromkeys(_names(length, size - len(payload)), 1)
        yield cbor2.dumps([*pack[:-1], {**pack[-1], **more}])


def _branches(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
    """Yield where the lists and objects of a document are."""
    if isinstance(document, dict):
        yield path
        for name, value in document.items():
            yield from _branches(value, (*path, name))
    elif isinstance(document, list):
        yield path
        for index, value in enumerate(document[:3]):
            yield from _branches(value, (*path, index))


def _grown(document: Any, path: tuple[Any, ...], name_length: int, room: int) -> Any:  # noqa: ANN401
    """Return a copy in which what is at a path has as much more as fits."""
    copy = json.loads(json.dumps(document))
    branch = copy
    for step in path:
        branch = branch[step]
    if isinstance(branch, dict):
        example = next(iter(branch.values()), 1)
        width = len(json.dumps(example)) + 2
        branch.update(dict.fromkeys(_names(name_length, room, width), example))
    else:
        example = branch[-1] if branch else 1
        branch += [example] * (room // (len(json.dumps(example)) + 2))
    return copy


def _names(length: int, room: int, more: int = 0) -> list[str]:
    """Return distinct names with humps, which cost most to make an id of."""
    count = room // (max(length, 5) + 4 + more)
    return [("aBcD" * (length // 4))[: length - 4] + f"{number:04x}" for number in range(count)]
