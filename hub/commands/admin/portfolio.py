"""Business areas, proposals, decisions and the inventory of platforms, from the terminal."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated

import typer

from hub.commands.admin.terms import Slug, operating, show, with_database
from hub.domain.business_areas import BusinessArea
from hub.domain.decisions import Decision, Member
from hub.domain.people import Deed
from hub.domain.platforms import Platform, PlatformAction, PlatformState
from hub.domain.platforms import Said as PlatformSaid
from hub.domain.proposals import Proposal, ProposalAction, ProposalKind, ProposalState, Said
from hub.domain.texts import clean, clean_name
from hub.portfolio import deciding, inventorying, proposing, tending
from hub.storage import portfolio
from hub.storage.pool import Db
from hub.storage.portfolio import PortfolioFiles

LISTED = 10_000

business_area = typer.Typer(
    no_args_is_help=True,
    help="Parts of the city's work that organisations share: mobility, environment, …",
)
proposal = typer.Typer(no_args_is_help=True, help="What organisations want, and the answers.")
decision = typer.Typer(no_args_is_help=True, help="What was decided, by whom; recorded once.")
platform = typer.Typer(no_args_is_help=True, help="What else holds sensor data in the city.")


def parse_name(text: str) -> str:
    return _parsed(clean_name, text)


def parse_text(text: str) -> str:
    return _parsed(clean, text)


def _parsed(read: Callable[[str], str], text: str) -> str:
    try:
        return read(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


Name = Annotated[str, typer.Option(callback=parse_name, help="as people call it")]
Text = Annotated[str, typer.Option(callback=parse_text, help="in a few sentences")]
Reason = Annotated[str, typer.Option(callback=parse_text, help="why; it goes on record")]
Number = Annotated[int, typer.Argument(min=1, metavar="ID")]
DecisionId = Annotated[
    int | None, typer.Option("--decision", min=1, help="id of the recorded decision behind it")
]


def _with_files(work: Callable[[PortfolioFiles, Db], Awaitable[str]]) -> None:
    """Do the work in a transaction, and print what it tells."""

    async def transacted(db: Db) -> None:
        async with db.transaction():
            told = await work(PortfolioFiles(db), db)
        typer.echo(told)

    with_database(transacted)


def _deed(reason: str) -> Deed:
    return Deed(operating(), datetime.now(UTC), reason)


@business_area.command("put")
def area_put(
    id_: Slug,
    name: Name,
    name_en: Annotated[str, typer.Option(callback=parse_text, help="in English")] = "",
    description: Text = "",
    stewards: Annotated[
        list[str] | None, typer.Option("--steward", help="a person who answers for it; repeat")
    ] = None,
    organisations: Annotated[
        list[str] | None, typer.Option("--organisation", help="that belongs to it; repeat")
    ] = None,
    reason: Reason = "",
) -> None:
    """Make a business area, or replace all that is said of it but its feeds.

    Example: stadsnav admin business-area put mobility --name Mobilitet --steward anna
    --organisation traffic --organisation environment
    """
    wanted = BusinessArea(
        id_, name, name_en, description, frozenset(stewards or ()), frozenset(organisations or ())
    )

    async def work(files: PortfolioFiles, _db: Db) -> str:
        made = await tending.put_area(files, _deed(reason), wanted)
        return f"business area {made.id}: {len(made.organisations)} organisations"

    _with_files(work)


@business_area.command("feed")
def area_feed(
    id_: Slug,
    feed: Annotated[str, typer.Argument(help="of an organisation that belongs to the area")],
    *,
    remove: Annotated[bool, typer.Option("--remove", help="take it out again")] = False,
    reason: Reason = "",
) -> None:
    """Put a feed into a business area. Example: stadsnav admin business-area feed mobility noise"""
    change = tending.remove_feed if remove else tending.place_feed

    async def work(files: PortfolioFiles, _db: Db) -> str:
        made = await change(files, _deed(reason), id_, feed)
        return f"business area {made.id}: {', '.join(sorted(made.feeds)) or 'no feeds'}"

    _with_files(work)


@business_area.command("list")
def area_list() -> None:
    """Every business area."""

    async def work(db: Db) -> None:
        show(
            ("id", "name", "stewards", "organisations", "feeds"),
            [
                (a.id, a.name, *map(_listed, (a.stewards, a.organisations, a.feeds)))
                for a in await portfolio.areas(db)
            ],
        )  # fmt: skip

    with_database(work)


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))


@proposal.command("submit")
def proposal_submit(
    area: Annotated[str, typer.Argument(help="the business area that answers")],
    kind: ProposalKind,
    organisation: Annotated[str, typer.Option(help="who wants it")],
    title: Name,
    need: Annotated[str, typer.Option(callback=parse_text, help="who needs it, and what for")] = "",
    feed: Annotated[str | None, typer.Option(help="what a share-request is about")] = None,
    reason: Reason = "",
) -> None:
    """Propose something for an organisation that sent it in some other way.

    Example: stadsnav admin proposal submit environment new-sensor --organisation school
    --title 'Noise at the school yard' --need 'Complaints of parents since May'
    """
    deed = _deed(reason)
    new = Proposal(0, area, kind, title, need, organisation, deed.actor.id, deed.at, feed)

    async def work(files: PortfolioFiles, _db: Db) -> str:
        return f"proposal {(await proposing.submit(files, deed, new)).id} is submitted"

    _with_files(work)


@proposal.command("step")
def proposal_step(
    id_: Number,
    step: ProposalAction,
    text: Annotated[
        str, typer.Option(callback=parse_text, help="the assessment, or the public answer")
    ] = "",
    priority: Annotated[int | None, typer.Option(min=1, max=5, help="1 comes first")] = None,
    decision_id: DecisionId = None,
    reason: Reason = "",
) -> None:
    """Assess, prioritise, pilot, adopt or decline a proposal.

    Example: stadsnav admin proposal step 12 decline --text 'The school has one in its yard.'
    """

    async def work(files: PortfolioFiles, _db: Db) -> str:
        said = Said(text, priority, decision_id)
        made = await proposing.answer(files, _deed(reason), id_, step, said)
        return f"proposal {made.id} is {made.state}"

    _with_files(work)


@proposal.command("list")
def proposal_list(
    area: Annotated[str | None, typer.Option(help="only of this business area")] = None,
    state: Annotated[ProposalState | None, typer.Option(help="only in this state")] = None,
) -> None:
    """What was proposed, and what became of it."""

    async def work(db: Db) -> None:
        found = await portfolio.proposals(db, area=area, state=state, limit=LISTED)
        show(
            ("id", "area", "kind", "title", "from", "state", "priority", "decision", "answer"),
            [
                (p.id, p.area, p.kind, p.title, p.organisation, p.state, p.priority, p.decision,
                 p.answer)
                for p in found
            ],
        )  # fmt: skip

    with_database(work)


@decision.command("record")
def decision_record(
    reference: Annotated[
        str, typer.Argument(callback=parse_name, help="where it is filed: KS 2026/117")
    ],
    title: Name,
    decided_on: Annotated[
        datetime, typer.Option(formats=["%Y-%m-%d"], help="the day of the meeting")
    ],
    members: Annotated[
        list[str],
        typer.Option("--member", help="who took part: NAME, or NAME@ORGANISATION; repeat"),
    ],
    area: Annotated[
        str | None, typer.Option(help="of this business area; default the whole hub")
    ] = None,
    text: Text = "",
    reason: Reason = "",
) -> None:
    """Record a decision and who took it; it is not changed again.

    Example: stadsnav admin decision record 'KS 2026/117 § 12' --title 'Noise at schools'
    --decided-on 2026-11-20 --member 'Åsa Öberg@environment' --member 'Bo Ek'
    """
    new = Decision(0, reference, title, text, decided_on.date(), tuple(map(_member, members)), area)

    async def work(files: PortfolioFiles, _db: Db) -> str:
        made = await deciding.record(files, _deed(reason), new)
        return f"decision {made.id} is recorded as {made.reference}"

    _with_files(work)


def _member(told: str) -> Member:
    name, _, organisation = told.partition("@")
    return Member(parse_name(name), organisation.strip() or None)


@decision.command("list")
def decision_list(
    area: Annotated[str | None, typer.Option(help="only of this business area")] = None,
) -> None:
    """What was decided, and by whom."""

    async def work(db: Db) -> None:
        show(
            ("id", "reference", "title", "decided", "area", "members"),
            [
                (d.id, d.reference, d.title, d.decided_on, d.area,
                 ", ".join(member.name for member in d.members))
                for d in await portfolio.decisions(db, area=area, limit=LISTED)
            ],
        )  # fmt: skip

    with_database(work)


@platform.command("put")
def platform_put(
    id_: Slug,
    organisation: Annotated[str, typer.Option(help="who runs it")],
    name: Name,
    description: Text = "",
    supplier: Annotated[str, typer.Option(callback=parse_text, help="whose product it is")] = "",
    contract_until: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="when its contract ends")
    ] = None,
    area: Annotated[str | None, typer.Option(help="the business area that it serves")] = None,
    reason: Reason = "",
) -> None:
    """Enter a platform into the inventory, or replace what is said of it.

    Example: stadsnav admin platform put airview --organisation environment --name AirView
    --supplier 'AirView AB' --contract-until 2027-12-31 --area environment
    """
    until = contract_until.date() if contract_until else None
    wanted = Platform(id_, name, organisation, description, supplier, until, area)

    async def work(files: PortfolioFiles, _db: Db) -> str:
        made = await inventorying.put_platform(files, _deed(reason), wanted)
        return f"platform {made.id}: {made.state}"

    _with_files(work)


@platform.command("step")
def platform_step(
    id_: Slug,
    step: PlatformAction,
    text: Annotated[str, typer.Option(callback=parse_text, help="the assessment")] = "",
    decision_id: DecisionId = None,
    into: Annotated[
        str | None, typer.Option(help="with consolidate: the platform that takes its place")
    ] = None,
    reason: Reason = "",
) -> None:
    """Assess a platform, or conclude: keep, connect, consolidate, retire.

    Example: stadsnav admin platform step airview connect --decision 7
    """

    async def work(files: PortfolioFiles, _db: Db) -> str:
        said = PlatformSaid(text, decision_id, into)
        made = await inventorying.act(files, _deed(reason), id_, step, said)
        return f"platform {made.id}: {made.state}"

    _with_files(work)


@platform.command("list")
def platform_list(
    state: Annotated[PlatformState | None, typer.Option(help="only in this state")] = None,
) -> None:
    """The inventory."""

    async def work(db: Db) -> None:
        show(
            ("id", "name", "run by", "supplier", "until", "area", "state", "into", "decision"),
            [
                (p.id, p.name, p.organisation, p.supplier, p.contract_until, p.area, p.state,
                 p.into, p.decision)
                for p in await portfolio.platforms(db, state=state, limit=LISTED)
            ],
        )  # fmt: skip

    with_database(work)
