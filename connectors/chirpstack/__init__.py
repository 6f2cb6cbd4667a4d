"""Events from ChirpStack v4, in JSON and Protocol Buffers; see README.md beside this file."""

from connectors.chirpstack.decoder import decode_json, decode_protobuf

__all__ = ["decode_json", "decode_protobuf"]
