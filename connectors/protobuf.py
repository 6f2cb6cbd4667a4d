"""How are messages of Protocol Buffers read, of which we know the schema?

The schema is a table that reads like the `.proto` it is taken from, with the fields we use; what it
does not name is passed over. The runtime reads the bytes, in C; no code is generated, for that
would be tied to one version of it.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor_pb2 import Edition, FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from connectors.untrusted import Fault
from hub.domain.intake import Limits, Reason

Schema = Mapping[str, Mapping[int, str]]

_REPEATED = FieldDescriptorProto.LABEL_REPEATED
_OPTIONAL = FieldDescriptorProto.LABEL_OPTIONAL
_SCALARS = {
    "string": FieldDescriptorProto.TYPE_STRING,
    "bytes": FieldDescriptorProto.TYPE_BYTES,
    "bool": FieldDescriptorProto.TYPE_BOOL,
    "int32": FieldDescriptorProto.TYPE_INT32,
    "int64": FieldDescriptorProto.TYPE_INT64,
    "uint32": FieldDescriptorProto.TYPE_UINT32,
    "uint64": FieldDescriptorProto.TYPE_UINT64,
    "float": FieldDescriptorProto.TYPE_FLOAT,
    "double": FieldDescriptorProto.TYPE_DOUBLE,
}


def messages(package: str, schema: Schema) -> Any:  # noqa: ANN401  classes made at run time
    """Return the classes of a schema: `{"Metric": {1: "string name", 2: "repeated Row rows"}}`.

    Every field knows whether it is there, and texts are UTF-8, whatever edition the original has.
    """
    file = FileDescriptorProto(
        name=f"{package}.proto", package=package, syntax="editions", edition=Edition.EDITION_2023
    )
    for name, fields in schema.items():
        message = file.message_type.add(name=name)
        for number, told in fields.items():
            *label, type_, field_name = told.split()
            field = message.field.add(name=field_name, number=number)
            field.label = (
                FieldDescriptorProto.LABEL_REPEATED
                if label
                else FieldDescriptorProto.LABEL_OPTIONAL
            )
            if type_ in _SCALARS:
                field.type = _SCALARS[type_]
            else:
                field.type = FieldDescriptorProto.TYPE_MESSAGE
                field.type_name = f".{package}.{type_}"
    pool = DescriptorPool()
    pool.Add(file)
    return {
        name: GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}")) for name in schema
    }


def parsed(message: Any, payload: bytes, limits: Limits) -> Any:  # noqa: ANN401
    """Read a message; raise Fault where the bytes are none."""
    if len(payload) > limits.payload_bytes:
        raise Fault(
            Reason.TOO_LARGE, f"{len(payload)} bytes; a message may have {limits.payload_bytes}"
        )
    try:
        return message.FromString(payload)
    except DecodeError as error:
        raise Fault(Reason.NOT_PROTOBUF, str(error)) from error
