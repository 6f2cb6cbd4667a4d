"""What can go wrong, in the hub's own words.

    StadsnavError
    ├── ConfigurationError      the process cannot start like this; one clear line, no retry
    ├── StoreUnavailable        the database is away or overloaded; try again
    ├── MaintenanceFailed       a task of maintenance went wrong, the others go on
    ├── OutsideFailed           the place for anchors does not answer, or contradicts the hub
    ├── BatchRefused            the database will never take this batch as it is
    ├── BadRequest              the caller asked for something that makes no sense
    ├── NotAuthenticated        no credential, or one that is not valid
    ├── NotPermitted            known caller, missing right
    │   └── OutsideGrant        readable, but not in the form that was asked for
    ├── NotFound                no such thing, or none that the caller may know of
    └── Conflict                the thing exists already, or is in another state

This module knows no HTTP and no SQL; `hub.api.problems` says what HTTP calls each of them.
"""


class StadsnavError(Exception):
    """Base of every error that the hub raises on purpose."""


class ConfigurationError(StadsnavError):
    """The process cannot start with these settings; the message says what to do."""


class StoreUnavailable(StadsnavError):  # noqa: N818  named for the condition, as in the words above
    """The database is away, starting, full or overloaded: nothing was stored, try again."""


class BatchRefused(StadsnavError):  # noqa: N818
    """The database refused the content of a batch; repeating it would change nothing."""


class BadRequest(StadsnavError):  # noqa: N818
    """The request makes no sense; the message says what would."""


class NotAuthenticated(StadsnavError):  # noqa: N818
    """No credential was given, or it is unknown, expired or revoked."""


class NotPermitted(StadsnavError):  # noqa: N818
    """The caller is known, but lacks the right."""


class OutsideGrant(NotPermitted):
    """The caller may read this, but only in a coarser or narrower form; the message says which."""


class NotFound(StadsnavError):  # noqa: N818
    """There is no such thing, or none that this caller may know of."""


class Conflict(StadsnavError):  # noqa: N818
    """The thing exists already, or its state does not allow this."""


class MaintenanceFailed(StadsnavError):  # noqa: N818
    """A task of maintenance went wrong; the others go on."""


class OutsideFailed(StadsnavError):  # noqa: N818
    """The place where anchors of the audit are kept does not answer, or contradicts the hub."""
