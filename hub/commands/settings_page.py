"""What does docs/settings.md say? Every setting, from the code that reads it."""

from pydantic_core import PydanticUndefined

from hub.settings import GROUPS

_HEAD = """\
# Settings

Read from the environment once, at start. Secrets have no default. A wrong value ends the process
with one line that names the variable.

| variable | default | |
|---|---|---|
"""

_MORE = """\
| `STADSNAV_DATA` | `.stadsnav` | where `up` keeps everything, and others look for it |
| `STADSNAV_LOG` | `info` | level of the log: debug, info, warning, error |
"""


def settings_page() -> str:
    """Render the page; a test holds the file against it."""
    rows = []
    for group in GROUPS:
        prefix = group.model_config.get("env_prefix", "")
        for name, field in group.model_fields.items():
            unset = field.default is None or field.default is PydanticUndefined
            shown = "–" if unset else f"`{field.default}`"
            rows.append(f"| `{prefix}{name.upper()}` | {shown} | {field.description} |\n")
    return _HEAD + "".join(rows) + _MORE
