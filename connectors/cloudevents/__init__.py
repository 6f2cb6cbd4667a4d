"""CloudEvents around payloads of other formats; see README.md beside this file."""

from connectors.cloudevents.decoder import decode

__all__ = ["decode"]
