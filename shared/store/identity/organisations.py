"""Organisations: whose everything is."""

from __future__ import annotations

from sqlalchemy import Connection, func, select, update

from shared.contracts.access import OrgChange, OrgNew, OrgView
from shared.errors import Conflict, NotFound, Security
from shared.ids import now
from shared.store.engine import insert_missing, insert_new
from shared.store.tables import members, organisations


class OrganisationNotFound(NotFound):
    """No organisation that the caller may see has this id."""


class OrganisationSuspended(Security):
    """Nobody of it gets in."""

    status = 403

    def __init__(self, org_id: str) -> None:
        super().__init__(
            f"The organisation {org_id} is suspended.",
            cure="Ask whoever runs Vedette here; or begin in another organisation: vedette login --org ORG",
        )


class OrganisationExists(Conflict):
    """The id is taken."""


def create(connection: Connection, asked: OrgNew, by: str) -> OrgView:
    """Write a new organisation. Raises OrganisationExists."""
    row = {"id": asked.id, "name": asked.name, "limits": {}, "created_by": by, "created_at": now()}
    if not insert_new(connection, organisations, row):
        raise OrganisationExists(f"There is an organisation {asked.id} already.", cure="Choose another id.")
    return get(connection, asked.id)


def ensure(connection: Connection, org_id: str, name: str) -> None:
    """Have an organisation, whoever else makes it at this moment."""
    row = {"id": org_id, "name": name, "limits": {}, "created_by": "installation", "created_at": now()}
    insert_missing(connection, organisations, [row])


def find(connection: Connection, org_id: str) -> OrgView | None:
    """Return the organisation, or None."""
    found = page(connection, [org_id], limit=1)
    return found[0] if found else None


def get(connection: Connection, org_id: str) -> OrgView:
    """Return the organisation. Raises OrganisationNotFound."""
    if found := find(connection, org_id):
        return found
    raise OrganisationNotFound(f"There is no organisation {org_id!r}.", cure="List them: vedette orgs list")


def get_open(connection: Connection, org_id: str) -> OrgView:
    """Return the organisation, if it is not suspended. Raises OrganisationNotFound and OrganisationSuspended."""
    found = get(connection, org_id)
    if found.suspended_at:
        raise OrganisationSuspended(org_id)
    return found


def page(connection: Connection, ids: list[str] | None = None, *, limit: int, after: str = "") -> list[OrgView]:
    """Return up to `limit` of these organisations, or of all, by id, after the id `after`."""
    count = select(func.count()).where(members.c.org_id == organisations.c.id).scalar_subquery()
    query = select(organisations, count.label("members")).order_by(organisations.c.id).limit(limit)
    query = query.where(organisations.c.id > after)
    if ids is not None:
        query = query.where(organisations.c.id.in_(ids))
    return [OrgView.model_validate(dict(row)) for row in connection.execute(query).mappings()]


def change(connection: Connection, org_id: str, asked: OrgChange) -> OrgView:
    """Rename, suspend or let in again. Raises OrganisationNotFound."""
    before = get(connection, org_id)
    values: dict[str, object] = {"name": asked.name} if asked.name is not None else {}
    if asked.suspended is not None:
        values["suspended_at"] = (before.suspended_at or now()) if asked.suspended else None
    if values:
        connection.execute(update(organisations).where(organisations.c.id == org_id).values(**values))
    return get(connection, org_id)
