"""Query parameters that a route does not know are refused: a misspelt filter would show everything."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi.dependencies.models import Dependant
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from gateway.problems import InvalidRequest
from shared.contracts.problems import FieldError

ANYWHERE = frozenset({"ticket"})  # gateway.tickets reads it


async def check(connection: HTTPConnection) -> None:
    """Raise InvalidRequest naming the parameters that the route of this request does not know."""
    if not connection.query_params:
        return
    known = frozenset(_names(connection.scope["route"].dependant))
    unknown = [name for name in dict.fromkeys(connection.query_params) if name not in known | ANYWHERE]
    if unknown:
        errors = [FieldError(pointer="", detail=f"query parameter {name[:64]!r}: unknown") for name in unknown]
        there_is = f"There is: {', '.join(sorted(known))}." if known else "There is none here."
        raise InvalidRequest(f"The query parameter {unknown[0][:64]!r} is unknown.", errors, cure=there_is)


def _names(dependant: Dependant) -> Iterator[str]:
    for each in dependant.query_params:
        model = each.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):  # its fields are the parameters
            yield from (field.alias or name for name, field in model.model_fields.items())
        else:
            yield each.alias
    for inner in dependant.dependencies:
        yield from _names(inner)
