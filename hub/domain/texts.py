"""Which texts may people give to things? Any script, nothing invisible."""

import unicodedata

_BREAKS = "\n\t"
# Control characters and lone surrogates. Joiners and direction marks (Cf) are part of how Persian,
# Hindi or an emoji is written; what is unassigned here may be a letter to a newer Unicode.
_REFUSED = frozenset({"Cc", "Cs"})
# Overrides make a text look like another one; isolates and marks do not.
_OVERRIDES = frozenset("\u202a\u202b\u202d\u202e")


def clean(text: str) -> str:
    """Return a text composed (NFC) and without space around it, so that equal ones compare equal.

    Raises ValueError for characters that nobody can see or that turn others around.
    """
    for character in text:
        refused = unicodedata.category(character) in _REFUSED and character not in _BREAKS
        if refused or character in _OVERRIDES:
            msg = f"a text cannot contain the character U+{ord(character):04X}"
            raise ValueError(msg)
    return unicodedata.normalize("NFC", text).strip()


def clean_name(text: str) -> str:
    """Return a name: one line that is not empty. Raises ValueError."""
    name = clean(text)
    if not name or any(character in _BREAKS for character in name):
        msg = "a name is one line with something in it"
        raise ValueError(msg)
    return name
