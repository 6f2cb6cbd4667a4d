"""Where in a document is a value? JMESPath (https://jmespath.org), and how much work that may be.

`$.` in front counts from the whole message, where `each` made parts of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from connectors.untrusted import Fault, named
from hub.domain.intake import Reason

_ROOT = "$."
_CHAINS = frozenset({"subexpression", "index_expression"})
Step = str | int


@dataclass(frozen=True, slots=True)
class Expression:
    """A compiled expression.

    `steps`: names and indexes alone, which nearly all expressions are; then nothing is searched.
    Else each of the expression's `parts` may look at every value of the document.
    """

    text: str
    of_message: bool
    steps: Sequence[Step] | None
    parts: int
    compiled: Any

    def find(self, document: object) -> object:
        """Return what the expression finds, None if that is nothing."""
        if self.steps is not None:
            return _followed(document, self.steps)
        try:
            found: object = self.compiled.search(document)
        except Exception as error:  # whatever a function makes of what devices send
            told = f"{named(self.text)}: {error}"
            raise Fault(Reason.WRONG_SHAPE, told[:300]) from error
        return found

    def work(self, values: int) -> int:
        """Return how many looks at a value it takes in a document of so many."""
        return len(self.steps) if self.steps is not None else self.parts * values


def compiled(text: str) -> Expression:
    """Compile an expression; raise ValueError saying what is wrong with it."""
    of_message = text.startswith(_ROOT)
    try:
        parsed = jmespath.compile(text.removeprefix(_ROOT))
    except JMESPathError as error:
        told = " ".join(str(error).split())
        raise ValueError(f"{text!r} is no JMESPath: {told}") from error
    return Expression(text, of_message, _steps(parsed.parsed), _parts(parsed.parsed), parsed)


def _parts(node: Mapping[str, Any]) -> int:
    return 1 + sum(_parts(child) for child in node["children"] if isinstance(child, dict))


def _steps(node: Mapping[str, Any]) -> list[Step] | None:
    """Return the names and indexes that an expression consists of, None if of anything else."""
    if node["type"] in ("field", "index"):
        return [node["value"]]
    if node["type"] in ("current", "identity"):
        return []
    if node["type"] not in _CHAINS:
        return None
    steps: list[Step] = []
    for child in node["children"]:
        more = _steps(child)
        if more is None:
            return None
        steps += more
    return steps


def _followed(document: object, steps: Sequence[Step]) -> object:
    for step in steps:
        if isinstance(step, str):
            document = document.get(step) if isinstance(document, dict) else None
        elif isinstance(document, list) and -len(document) <= step < len(document):
            document = document[step]
        else:
            return None
    return document
