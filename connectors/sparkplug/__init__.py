"""Sparkplug B; see README.md beside this file."""

from connectors.sparkplug.decoder import Decoder

__all__ = ["Decoder"]
