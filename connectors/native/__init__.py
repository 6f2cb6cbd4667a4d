"""Stadsnav's own payload: `{"time": …, "values": {…}}`; see README.md beside this file."""

from connectors.native.decoder import decode

__all__ = ["decode"]
