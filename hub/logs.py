"""How do our processes log? One line per event, time first, never payloads or secrets."""

import logging
import os
import sys


def configure_logging() -> None:
    """Log to standard error at the level of STADSNAV_LOG (default info)."""
    level = os.environ.get("STADSNAV_LOG", "info").upper()
    known = level if level in logging.getLevelNamesMapping() else "INFO"
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S%z")
    )
    logging.basicConfig(level=known, handlers=[handler], force=True)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
