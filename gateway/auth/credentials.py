"""From a credential to a caller: the installation's own token, an API key, an access token, a browser session."""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import timedelta

from gateway.auth import access, refusals
from gateway.auth.caller import Caller, Forbidden, Unauthorized
from shared.contracts.identity import Permission, Role, permitted
from shared.ids import now
from shared.store.engine import reading, writing
from shared.store.identity import keys, organisations, sessions
from shared.store.identity.keys import Key
from shared.store.identity.sessions import Kind, Standing

KEY_USED_EVERY = timedelta(minutes=1)  # how exact `last_used_at` is: a write per request would be too dear
_ROOT = frozenset({Permission.INSTALLATION, Permission.QUEUES})


def of_bearer(given: str, own: bytes, address: str, org_id: str = "") -> Caller:
    """Return who shows this credential. own: the installation's token.  org_id: where that or a root user wants to act.

    Raises Unauthorized, and Forbidden for an organisation that is not the caller's.
    """
    if hmac.compare_digest(given.encode("utf-8", "surrogatepass"), own):
        return _own(address, org_id)
    if given.startswith(keys.MARK):
        found = _of_key(given, address)
    elif given.startswith(access.MARK):
        found = _of_access(given, address)
    else:
        raise _unknown(address, "The token is not valid.", "Use that of VEDETTE_TOKEN, or log in: vedette login")
    return _elsewhere(found, org_id) if org_id and org_id != found.org_id else found


def of_session(token: str, address: str) -> Caller:
    """Return whose browser session this is. Raises Unauthorized."""
    with reading() as connection:
        session = sessions.find(connection, token, Kind.BROWSER)
        found = session and sessions.standing(connection, session.user_id, session.org_id, session.family)
    if not session or session.is_over or not found:
        raise Unauthorized("The session is over.", cure="Log in again.", error="invalid_token")
    return replace(_user(found, session.org_id, session.family, address), expires_at=session.expires_at)


def again(caller: Caller) -> Caller:
    """Return the caller as things stand now, for a connection that lasts. Raises Unauthorized."""
    if caller.expires_at and caller.expires_at <= now():
        raise Unauthorized("The credential has expired.", cure=access.AGAIN, error="invalid_token")
    if caller.behind is not None:
        return _elsewhere(again(caller.behind), caller.org_id)
    if caller.key_id is not None:
        with reading() as connection:
            return _with_key(keys.by_id(connection, caller.key_id), caller.address)
    if caller.user_id is None:
        return caller
    with reading() as connection:
        found = sessions.standing(connection, caller.user_id, caller.org_id, caller.family)
    if not found:
        raise Unauthorized("The log-in has ended.", cure=access.AGAIN, error="invalid_token")
    return replace(_user(found, caller.org_id, caller.family, caller.address), expires_at=caller.expires_at)


def _own(address: str, org_id: str) -> Caller:
    if org_id and org_id != "local":
        with reading() as connection:
            organisations.get(connection, org_id)
    return Caller(org_id=org_id or "local", address=address)


def _elsewhere(found: Caller, org_id: str) -> Caller:
    """Return a root user as who may do everything in an organisation that is not theirs."""
    if found.key_id or Permission.INSTALLATION not in found.permissions:
        raise Forbidden("This credential is for another organisation.", cure="Switch: vedette orgs use ORG")
    with reading() as connection:
        organisations.get(connection, org_id)
    return Caller(org_id=org_id, actor=found.actor, address=found.address, expires_at=found.expires_at, behind=found)


def _of_access(given: str, address: str) -> Caller:
    said = access.read(given)
    with reading() as connection:
        found = sessions.standing(connection, said.user_id, said.org_id, said.family)
    if not found:
        raise Unauthorized("The log-in has ended.", cure=access.AGAIN, error="invalid_token")
    return replace(_user(found, said.org_id, said.family, address), expires_at=said.expires_at)


def _of_key(given: str, address: str) -> Caller:
    with reading() as connection:
        key = keys.shown(connection, given)
    if key is None or not key.matches(given):
        raise _unknown(address, "The API key is not valid.", "Make one: vedette keys create")
    caller = _with_key(key, address)
    if key.last_used_at is None or now() - key.last_used_at > KEY_USED_EVERY:
        with writing(key.org_id) as connection:
            keys.used(connection, key.id)
    return caller


def _with_key(key: Key | None, address: str) -> Caller:
    """Return the caller of a key: what its role, its scopes and its user, if it has one, all permit."""
    if key is None or key.is_over:
        if key is not None:
            refusals.note(key.org_id, f"key:{key.name}", "login.refused", address, why="the key is over")
        raise Unauthorized(
            "The API key has expired or was revoked.", cure="Make one: vedette keys create", error="invalid_token"
        )
    role, allowed = key.role, permitted(key.role)
    with reading() as connection:
        if key.user_id is None:
            organisations.get_open(connection, key.org_id)
        elif user := sessions.standing(connection, key.user_id, key.org_id):
            role = min(role, Role(user.role), key=lambda each: each.rank)
            allowed = permitted(role)
        else:
            raise Unauthorized("The user of this API key is shut out.", cure="Ask an admin.", error="invalid_token")
    scoped = allowed & key.scopes if key.scopes else allowed
    return Caller(
        org_id=key.org_id,
        actor=f"key:{key.name}",
        permissions=scoped,
        role=role,
        user_id=key.user_id,
        key_id=key.id,
        address=address,
        expires_at=key.expires_at,
    )


def _user(found: Standing, org_id: str, family: str, address: str) -> Caller:
    role = Role(found.role)
    return Caller(
        org_id=org_id,
        actor=f"user:{found.email}",
        permissions=permitted(role) | (_ROOT if found.is_root else frozenset()),
        role=role,
        user_id=found.user_id,
        family=family,
        address=address,
    )


def _unknown(address: str, message: str, cure: str) -> Unauthorized:
    refusals.note(refusals.NOBODY, "unknown", "login.refused", address, why=message)
    return Unauthorized(message, cure=cure, error="invalid_token")
