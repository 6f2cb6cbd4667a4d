"""A declared mapping of JSON, for what no other format speaks; see README.md beside this file."""

from connectors.mapping.decoder import make

__all__ = ["make"]
