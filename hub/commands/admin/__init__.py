"""Register what the hub must know: organisations, devices, feeds, agreements, keys."""

import typer

from hub.commands import auditing
from hub.commands.admin import (
    certificates,
    devices,
    history,
    intake,
    people,
    portfolio,
    shares,
    things,
)

app = typer.Typer(no_args_is_help=True, help=__doc__)
app.add_typer(things.organisation, name="organisation")
app.add_typer(things.observed, name="property")
app.add_typer(devices.app, name="device")
app.add_typer(shares.feed, name="feed")
app.add_typer(shares.agreement, name="agreement")
app.add_typer(shares.application, name="application")
app.add_typer(shares.key, name="key")
app.add_typer(people.person, name="person")
app.add_typer(auditing.app, name="audit")
app.add_typer(portfolio.business_area, name="business-area")
app.add_typer(portfolio.proposal, name="proposal")
app.add_typer(portfolio.decision, name="decision")
app.add_typer(portfolio.platform, name="platform")
app.add_typer(intake.connector, name="connector")
app.add_typer(intake.rejection, name="rejection")
app.add_typer(certificates.app, name="certificates")
app.add_typer(history.app, name="retention")
app.command("broker-hash")(intake.broker_hash)

__all__ = ["app"]
