"""Notifications of NGSI-LD context brokers; see README.md beside this file."""

from connectors.ngsi_ld.decoder import decode

__all__ = ["decode"]
