"""Where does `up` keep what must survive it, and how is what only this user may read written?"""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from hub.errors import ConfigurationError


def write_private(path: Path, content: object) -> None:
    """Write JSON whole or not at all, mode 600 from the beginning."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(content, indent=2) + "\n")
    unfinished.replace(path)


@dataclass(frozen=True, slots=True)
class Folder:
    """Where `up` keeps what must survive it."""

    root: Path

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def broker(self) -> Path:
        return self.root / "broker"

    @property
    def certificates(self) -> Path:
        """Return where `up --tls` keeps its authority and what that issued."""
        return self.root / "certificates"

    @property
    def credentials(self) -> Path:
        return self.root / "credentials.json"

    @property
    def running(self) -> Path:
        """Return what tells other commands of a running `up`; it is there only meanwhile."""
        return self.root / "running.json"

    @property
    def passwords(self) -> Path:
        return self.root / "simulated-devices.json"

    def prepare(self) -> None:
        """Make the folders; raise ConfigurationError if that cannot be."""
        try:
            for path in (self.root, self.logs, self.broker):
                path.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self.root / "lock").touch(mode=0o600)
        except OSError as error:
            raise ConfigurationError(
                f"cannot write to {self.root} ({error.strerror}): choose another folder with --data"
            ) from error

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep a second `up` out of the same folder."""
        with (self.root / "lock").open("r+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ConfigurationError(
                    f"another `stadsnav up` runs in {self.root} already: stop that one, or choose "
                    "another folder with --data"
                ) from error
            yield


def short(path: Path) -> str:
    """Write a path as seen from here, if it lies below."""
    with suppress(ValueError):
        return f"./{path.relative_to(Path.cwd())}"
    return str(path)
