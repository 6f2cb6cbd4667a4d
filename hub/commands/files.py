"""Write what only this user may read."""

import json
from pathlib import Path


def write_private(path: Path, content: object) -> None:
    """Write JSON whole or not at all, mode 600 from the beginning."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(content, indent=2) + "\n")
    unfinished.replace(path)
