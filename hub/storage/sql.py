"""Where is the SQL? In `sql/*.sql`, each statement under `-- name: …` with its reason."""

import re
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "sql"
_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@cache
def statements(noun: str) -> dict[str, str]:
    """Return every statement of `sql/{noun}.sql` by name."""
    _, *parts = _NAME.split((_FOLDER / f"{noun}.sql").read_text("utf-8"))
    return dict(zip(parts[::2], (text.strip() for text in parts[1::2]), strict=True))


def statement(noun: str, name: str) -> str:
    """Return one statement; asked at import, so that a missing one stops the process at start."""
    return statements(noun)[name]


def nouns() -> list[str]:
    return sorted(path.stem for path in _FOLDER.glob("*.sql"))
