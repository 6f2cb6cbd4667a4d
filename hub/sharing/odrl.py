"""An agreement as other systems read it: ODRL 2.2 (W3C) in JSON-LD.

What a right is narrowed to becomes constraints. Where ODRL has no word for it (a delay, decimals of
a position) it is one of ours, which the context declares.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from hub.domain.agreements import Dossier, Terms
from hub.domain.areas import geojson
from hub.domain.durations import format_duration
from hub.domain.sharing import AgreementState, Shape

CONTEXT = [
    "http://www.w3.org/ns/odrl.jsonld",
    {
        "dcterms": "http://purl.org/dc/terms/",
        "xsd": "http://www.w3.org/2001/XMLSchema#",
        "stadsnav": "urn:stadsnav:terms#",
    },
]

_NOT_YET = frozenset(
    {AgreementState.DRAFT, AgreementState.REQUESTED, AgreementState.OFFERED, AgreementState.AGREED}
)


def policy(dossier: Dossier) -> dict[str, Any]:
    """Write an agreement as an ODRL policy: an Offer while it is negotiated, then an Agreement."""
    terms, target = dossier.terms, f"urn:stadsnav:feed:{dossier.feed}"
    parties = {
        "assigner": f"urn:stadsnav:organisation:{dossier.provider}",
        "assignee": f"urn:stadsnav:organisation:{dossier.consumer}",
    }
    use: dict[str, Any] = {"target": target, "action": "use", "constraint": list(_limits(terms))}
    refinements = list(_refinements(terms.shape))
    if refinements:
        use["target"] = {"@type": "AssetCollection", "source": target, "refinement": refinements}
    told: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "Offer" if dossier.state in _NOT_YET else "Agreement",
        "uid": f"urn:stadsnav:agreement:{dossier.id}",
        "profile": "urn:stadsnav:terms",
        **parties,
        "dcterms:hasVersion": str(dossier.version),
        "dcterms:isVersionOf": f"urn:stadsnav:agreement-series:{dossier.series}",
        "stadsnav:state": dossier.state.value,
        "stadsnav:legalBasis": terms.legal_basis,
        "permission": [use],
    }
    if terms.decision:
        told["dcterms:references"] = terms.decision
    if terms.review_at is not None:
        told["stadsnav:reviewAt"] = _time(terms.review_at)
    if terms.notice:
        told["stadsnav:notice"] = _typed(format_duration(terms.notice), "duration")
    if terms.cost_share:
        told["stadsnav:costShare"] = terms.cost_share
    if not terms.onward_sharing:
        told["prohibition"] = [{"target": target, "action": "distribute"}]
    return told


def _limits(terms: Terms) -> Iterator[dict[str, Any]]:
    """Yield what the use as a whole is bound to: what for, and when."""
    yield _constraint("purpose", "eq", terms.purpose)
    if terms.valid_from is not None:
        yield _constraint("dateTime", "gteq", _time(terms.valid_from))
    if terms.valid_until is not None:
        yield _constraint("dateTime", "lt", _time(terms.valid_until))


def _refinements(shape: Shape) -> Iterator[dict[str, Any]]:
    """Yield which part of the feed is meant, and in which form."""
    if shape.properties is not None:
        yield _constraint("stadsnav:property", "isAnyOf", sorted(shape.properties))
    if shape.finest_resolution is not None:
        width = _typed(format_duration(shape.finest_resolution), "duration")
        yield _constraint("stadsnav:resolution", "gteq", width)
    if shape.delay:
        width = _typed(format_duration(shape.delay), "duration")
        yield _constraint("stadsnav:age", "gteq", width)
    if shape.history is not None:
        width = _typed(format_duration(shape.history), "duration")
        yield _constraint("stadsnav:age", "lteq", width)
    if shape.position_decimals is not None:
        yield _constraint("stadsnav:positionDecimals", "lteq", shape.position_decimals)
    if shape.min_group is not None:
        yield _constraint("stadsnav:groupSize", "gteq", shape.min_group)
    if shape.area is not None:
        yield _constraint("spatial", "isPartOf", {"stadsnav:geometry": geojson(shape.area)})


def _constraint(left: str, operator: str, right: object) -> dict[str, Any]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


def _time(time: datetime) -> dict[str, str]:
    return _typed(time.isoformat(), "dateTime")


def _typed(value: str, kind: str) -> dict[str, str]:
    return {"@value": value, "@type": f"xsd:{kind}"}
