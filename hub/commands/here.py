"""Which hub do the commands mean? The one that the environment names, or the one that runs here."""

import json
import os
from pathlib import Path

from hub.commands.files import Folder
from hub.settings import DatabaseSettings, Settings

DATA = Path(".stadsnav")


def data_folder() -> Path:
    """Return where `up` keeps its data: STADSNAV_DATA, or .stadsnav in this folder."""
    return Path(os.environ.get("STADSNAV_DATA") or DATA)


def settings_here() -> Settings:
    """Return the settings; without a database's URL, that of a running `up`."""
    settings = Settings()
    if settings.database.url is None:
        url = _running_database(Folder(data_folder()))
        if url is not None:
            settings.database = DatabaseSettings.model_validate({"url": url})
    return settings


def _running_database(folder: Folder) -> str | None:
    try:
        url: str = json.loads(folder.running.read_text())["database"]
    except (OSError, ValueError, LookupError):
        return None
    return url
