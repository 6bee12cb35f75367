"""Log-ins: begun with a password, kept alive by refresh tokens, ended."""

from __future__ import annotations

from typing import Any

from gateway.auth import Caller, Forbidden, Unauthorized, access, passwords, refusals, throttle
from shared.contracts.access import Login, Tokens
from shared.errors import VedetteError
from shared.store import audit
from shared.store.engine import Connection, reading, writing
from shared.store.identity import members, sessions, users
from shared.store.identity.organisations import OrganisationNotFound, OrganisationSuspended
from shared.store.identity.sessions import Kind, Origin, Session
from shared.store.identity.users import Account

_WRONG = "E-mail or password is wrong."


def begin(asked: Login, origin: Origin, kind: Kind) -> tuple[Tokens, str]:
    """Return the tokens of a new log-in, and beside them that of its session.

    Raises Unauthorized, Forbidden, and throttle.TooManyLogins before the password is looked at.
    """
    throttle.check(asked.email, origin.address)
    with reading() as connection:
        found = users.account(connection, asked.email)
        orgs = members.organisations_of(connection, found.id) if found else []
    account = proved(found, asked.email, asked.password.get_secret_value(), origin)
    return _opened(account, asked.org, orgs, origin, kind)


def proved(account: Account | None, email: str, password: str, origin: Origin) -> Account:
    """Return the account of an e-mail, if there is one and this is its password. Raises Unauthorized."""
    is_right = passwords.matches(password, account.password_hash if account else None)
    if account and is_right and not account.disabled_at:
        throttle.succeeded(email)
        return account
    throttle.failed(email, origin.address)
    with reading() as connection:
        orgs = members.organisations_of(connection, account.id) if account else []
    refusals.note(orgs[0] if orgs else refusals.NOBODY, f"user:{email}", "login.failed", origin.address)
    raise Unauthorized(_WRONG, cure="Try again, or have the operator of the installation give you a new password.")


def opened(user_id: str, org_id: str, origin: Origin) -> Tokens:
    """Return the tokens of a log-in of a user who is known already, in an organisation of theirs."""
    with reading() as connection:
        account = users.account_of(connection, user_id)
        orgs = members.organisations_of(connection, user_id)
    if account is None:
        raise Unauthorized(_WRONG, cure=access.AGAIN)
    return _opened(account, org_id, orgs, origin, Kind.REFRESH)[0]


def switch(caller: Caller, org_id: str, origin: Origin) -> Tokens:
    """Return the tokens of a log-in of the same user in another organisation.

    Raises Forbidden, OrganisationNotFound and OrganisationSuspended.
    """
    if caller.user_id is None or caller.key_id:
        raise Forbidden("Only a user who is logged in can switch.", cure="Log in: vedette login")
    return opened(caller.user_id, org_id, origin)


def refresh(token: str, origin: Origin) -> Tokens:
    """Return the next pair of tokens. A token that was used before ends its whole log-in. Raises Unauthorized."""
    with writing() as connection:
        session = sessions.find(connection, token, Kind.REFRESH)
        if session is None or session.is_over:
            tokens = None
        elif not sessions.use(connection, session.id):
            sessions.end(connection, session.family)
            _audit(connection, session, "user:" + session.user_id, "login.reused", origin)
            tokens = None
        else:
            tokens = _next(connection, session, origin)
    if tokens is None:
        raise Unauthorized("The refresh token is not valid any more.", cure=access.AGAIN, error="invalid_token")
    return tokens


def end(caller: Caller, *, everywhere: bool) -> None:
    """End the caller's log-in, or all of them. Raises Forbidden for a key, which ends none of its user's."""
    caller = caller.behind or caller
    if caller.key_id and everywhere:
        raise Forbidden("An API key ends no log-ins.", cure="Log in: vedette login")
    if caller.user_id is None or (not caller.family and not everywhere):
        return
    with writing() as connection:
        if everywhere:
            sessions.end_all(connection, caller.user_id)
        else:
            sessions.end(connection, caller.family)
        said: dict[str, Any] = {"address": caller.address, "everywhere": everywhere}
        audit.add(connection, caller.org_id, caller.actor, "login.ended", f"user:{caller.user_id}", **said)


def change_password(caller: Caller, current: str, new: str) -> None:
    """Give the caller another password, and end all of their log-ins but this one. Raises Forbidden."""
    caller = caller.behind or caller
    with reading() as connection:
        account = users.account_of(connection, caller.user_id or "")
    if account is None or caller.key_id:
        raise Forbidden("Only a user who is logged in has a password to change.", cure="Log in: vedette login")
    throttle.check(account.email, caller.address)
    if not passwords.matches(current, account.password_hash):
        throttle.failed(account.email, caller.address)
        refusals.note(caller.org_id, caller.actor, "password.refused", caller.address)
        raise Forbidden("The current password is wrong.", cure="Try again; or ask whoever runs Vedette for a new one.")
    with writing() as connection:
        users.change(connection, account.id, {"password_hash": passwords.hashed(new)})
        sessions.end_all(connection, account.id, but=caller.family)
        subject = f"user:{account.id}"
        audit.add(connection, caller.org_id, caller.actor, "password.changed", subject, address=caller.address)


def _opened(account: Account, org_id: str | None, orgs: list[str], origin: Origin, kind: Kind) -> tuple[Tokens, str]:
    if not orgs or (org_id and org_id not in orgs):
        refusals.note(refusals.NOBODY, f"user:{account.email}", "login.outside", origin.address, org=org_id or "")
        raise _outside(account, org_id)
    with writing() as connection:
        session, token = sessions.begin(connection, org_id or orgs[0], account.id, kind, origin)
        _audit(connection, session, f"user:{account.email}", "login.begun", origin)
    return _tokens(session, token if kind is Kind.REFRESH else "", orgs), token


def _outside(account: Account, org_id: str | None) -> VedetteError:
    with reading() as connection:
        suspended = members.organisations_of(connection, account.id, suspended=True)
    if suspended and (org_id or suspended[0]) in suspended:
        return OrganisationSuspended(org_id or suspended[0])
    if org_id:
        return OrganisationNotFound(f"You belong to no organisation {org_id!r}.", cure="List yours: vedette orgs list")
    return Forbidden("You belong to no organisation.", cure="Ask an admin of one to take you in.")


def _next(connection: Connection, session: Session, origin: Origin) -> Tokens | None:
    found = sessions.standing(connection, session.user_id, session.org_id, session.family)
    if found is None:
        return None
    made, token = sessions.begin(
        connection, session.org_id, session.user_id, Kind.REFRESH, origin, family=session.family
    )
    return _tokens(made, token, members.organisations_of(connection, session.user_id))


def _tokens(session: Session, token: str, orgs: list[str]) -> Tokens:
    return Tokens(
        access_token=access.issue(session.user_id, session.org_id, session.family),
        expires_in_s=access.LIFE.total_seconds(),
        refresh_token=token,
        refresh_expires_at=session.expires_at if token else None,
        org_id=session.org_id,
        orgs=orgs,
    )


def _audit(connection: Connection, session: Session, actor: str, action: str, origin: Origin) -> None:
    said: dict[str, Any] = {"address": origin.address, "agent": origin.agent[:200] or None}
    audit.add(connection, session.org_id, actor, action, f"user:{session.user_id}", **said)
