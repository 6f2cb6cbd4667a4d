"""Observations of OGC SensorThings services; see README.md beside this file."""

from connectors.sensorthings.decoder import decode

__all__ = ["decode"]
