"""Uplinks from The Things Stack v3; see README.md beside this file."""

from connectors.ttn.decoder import decode

__all__ = ["decode"]
