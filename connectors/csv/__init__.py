"""CSV (RFC 4180) with a header; see README.md beside this file."""

from connectors.csv.decoder import decode

__all__ = ["decode"]
