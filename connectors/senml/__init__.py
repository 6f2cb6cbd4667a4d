"""SenML, Sensor Measurement Lists (RFC 8428), in JSON and CBOR; see README.md beside this file."""

from connectors.senml.decoder import decode_cbor, decode_json

__all__ = ["decode_cbor", "decode_json"]
