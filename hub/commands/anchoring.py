"""Tell the outside how the audit stands, so that no later change goes unnoticed."""

from datetime import datetime
from typing import NamedTuple

from hub.commands.outside import Outside
from hub.domain.anchors import Anchor, anchor, first_break
from hub.errors import OutsideFailed
from hub.storage import audit
from hub.storage.pool import Db


class Told(NamedTuple):
    """How many anchors were written outside, and the newest there is."""

    written: int
    newest: Anchor | None


async def anchor_outside(db: Db, outside: Outside, now: datetime) -> Told:
    """Write an anchor of everything since the last one; nothing where nothing was done since.

    The hub's own copy is committed after the outside has it. If that fails in between, the next run
    finds the anchor outside and takes it over, once it fits the events. A place that is new, or
    was away, first gets the anchors that it lacks. Raises OutsideFailed where the outside
    contradicts the hub.
    """
    async with db.transaction():
        await audit.lock_anchors(db)
        newest = await audit.newest_anchor(db)
        there, known = await outside.newest(), newest.number if newest else 0
        for found in await outside.after(known) if there > known else []:
            newest = await _taken_over(db, newest, found)
        written = 0
        for former in (await audit.anchors(db))[there:] if there < known else []:
            await outside.write(former)
            written += 1
        while hashes := await audit.unanchored(db, newest):
            newest = anchor(newest, hashes, now)
            await outside.write(newest)
            await audit.add_anchor(db, newest)
            written += 1
    return Told(written, newest)


async def _taken_over(db: Db, newest: Anchor | None, found: Anchor) -> Anchor:
    hashes = await audit.hashes(db, found.first, found.last)
    if not hashes or anchor(newest, hashes, found.at) != found:
        raise OutsideFailed(
            f"anchor {found.number} outside does not fit this hub's audit: is it another hub's "
            "place, or was the audit changed? `stadsnav audit verify` tells"
        )
    await audit.add_anchor(db, found)
    return found


async def anchors_outside(db: Db, outside: Outside) -> list[Anchor]:
    """Return what is outside. Raises OutsideFailed where the hub has other anchors than that."""
    found, ours = await outside.after(0), await audit.anchors(db)
    if first_break(found) is not None:
        return found  # verifying says so
    for mine, theirs in zip(ours, found, strict=False):
        if mine != theirs:
            raise OutsideFailed(
                f"anchor {theirs.number} outside is not the one in the hub's database: one of them "
                "was changed"
            )
    if len(found) < len(ours):
        raise OutsideFailed(
            f"anchors {len(found) + 1} to {len(ours)} are missing outside: they were taken away, "
            "or `stadsnav audit anchor` has not written to this place since"
        )
    return found
