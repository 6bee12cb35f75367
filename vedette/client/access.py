"""Who may come in, over HTTP: log-in, users, organisations with their members, API keys."""

from __future__ import annotations

from typing import Any

from shared.contracts.access import (
    KeyNew,
    KeyRotation,
    KeyView,
    Login,
    Logout,
    Me,
    MemberNew,
    MemberView,
    OrgChange,
    OrgNew,
    OrgView,
    PasswordChange,
    Tokens,
    UserChange,
    UserNew,
    UserView,
)
from shared.contracts.identity import Role
from shared.contracts.invitation import Acceptance, InvitationNew, InvitationView
from shared.contracts.job import Written
from vedette.client.http import MAX_PROBLEM, Http, Items, path
from vedette.refusals import NothingThere


class LogIn:
    """Log-ins of users."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def begin(self, asked: Login) -> Tokens:
        """Return the first pair of tokens."""
        return self._http.ask(Tokens, "POST", "auth/login", json=_body(asked))

    def accept(self, asked: Acceptance) -> Tokens:
        """Become a member by an invitation; return the first pair of tokens."""
        return self._http.ask(Tokens, "POST", "invitations/accept", json=_body(asked))

    def refresh(self, token: str) -> Tokens:
        """Return the next pair; `token` holds no more."""
        return self._http.ask(Tokens, "POST", "auth/refresh", json={"refresh_token": token})

    def switch(self, org: str) -> Tokens:
        """Go on in another organisation of one's own."""
        return self._http.ask(Tokens, "POST", "auth/switch", json={"org": org})

    def end(self, asked: Logout) -> None:
        """End this log-in, or all of the user."""
        self._http.fetch("POST", "auth/logout", MAX_PROBLEM, json=_body(asked))

    def change_password(self, asked: PasswordChange) -> None:
        """Give oneself another password. All other log-ins of oneself end."""
        self._http.fetch("POST", "auth/password", MAX_PROBLEM, json=_body(asked))

    def me(self) -> Me:
        """Return who asks."""
        return self._http.ask(Me, "GET", "auth/me")


class Users:
    """All users of the installation; for root alone."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def page(self, *, limit: int = 50, cursor: str | None = None) -> Items[UserView]:
        """Return one page of users, the oldest first."""
        params = {"limit": str(limit), **({"cursor": cursor} if cursor else {})}
        return self._http.ask(Items[UserView], "GET", "users", params=params)

    def create(self, new: UserNew) -> UserView:
        """Make a user. A password that the gateway made is in the answer, once."""
        return self._http.ask(UserView, "POST", "users", json=_body(new))

    def change(self, email: str, change: UserChange) -> UserView:
        """Change the user with this address. Raises NothingThere."""
        body = change.model_dump(mode="json", exclude_unset=True)
        return self._http.ask(UserView, "PATCH", path("users", self._id(email)), json=body)

    def _id(self, email: str) -> str:
        for user in self._http.every(UserView, "users"):
            if email.lower() == user.email:
                return user.id
        raise NothingThere(f"There is no user {email}.", cure="List them: vedette users list")


class Orgs:
    """Organisations, and the members of that in which one is."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def all(self) -> list[OrgView]:
        """Return the organisations that one may see."""
        return self._http.every(OrgView, "orgs")

    def get(self, org: str) -> OrgView:
        """Return one. Raises NothingThere."""
        return self._http.ask(OrgView, "GET", path("orgs", org))

    def create(self, new: OrgNew) -> OrgView:
        """Make one."""
        return self._http.ask(OrgView, "POST", "orgs", json=_body(new))

    def change(self, org: str, change: OrgChange) -> OrgView:
        """Rename, suspend or let go on."""
        return self._http.ask(
            OrgView, "PATCH", path("orgs", org), json=change.model_dump(mode="json", exclude_unset=True)
        )

    def members(self) -> list[MemberView]:
        """Return the members of one's organisation."""
        return self._http.every(MemberView, "members")

    def add_member(self, new: MemberNew) -> MemberView:
        """Take a user in."""
        return self._http.ask(MemberView, "POST", "members", json=_body(new))

    def invitations(self) -> list[InvitationView]:
        """Return who was invited, the newest first, also what is over."""
        return self._http.every(InvitationView, "invitations")

    def invite(self, new: InvitationNew) -> InvitationView:
        """Invite somebody. The token is in the answer, once."""
        return self._http.ask(InvitationView, "POST", "invitations", json=_body(new))

    def uninvite(self, invitation_id: str) -> InvitationView:
        """End an invitation at once."""
        return self._http.ask(InvitationView, "DELETE", path("invitations", invitation_id))

    def change_member(self, email: str, role: Role) -> MemberView:
        """Give a member another role. Raises NothingThere."""
        where = path("members", self._member(email))
        return self._http.ask(MemberView, "PATCH", where, json={"role": role.value})

    def remove_member(self, email: str) -> None:
        """Put a member out. Raises NothingThere."""
        self._http.fetch("DELETE", path("members", self._member(email)), MAX_PROBLEM)

    def _member(self, email: str) -> str:
        for member in self.members():
            if email.lower() == member.email:
                return member.user_id
        raise NothingThere(f"There is no member {email}.", cure="List them: vedette orgs members list")


class Keys:
    """API keys of the organisation; those of oneself, for who may not see others'."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def all(self) -> list[KeyView]:
        """Return the keys, without their secrets."""
        return self._http.every(KeyView, "api-keys")

    def create(self, new: KeyNew) -> KeyView:
        """Make a key. Its secret is in the answer, once."""
        return self._http.ask(KeyView, "POST", "api-keys", json=_body(new))

    def rotate(self, key_id: str, how: KeyRotation) -> KeyView:
        """Return a new key in the place of this one, which holds a while longer."""
        return self._http.ask(KeyView, "POST", f"{path('api-keys', key_id)}:rotate", json=_body(how))

    def revoke(self, key_id: str) -> KeyView:
        """End a key at once."""
        return self._http.ask(KeyView, "DELETE", path("api-keys", key_id))


def _body(asked: Written) -> dict[str, Any]:
    """Return what is sent; secrets are shown here alone."""
    plain = asked.model_dump(exclude_none=True)
    return {
        name: value.get_secret_value() if hasattr(value, "get_secret_value") else value for name, value in plain.items()
    }
