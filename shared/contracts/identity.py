"""Who may do what: roles, and the one table of what each role is permitted."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """What somebody is in an organisation. Each may do all that the one before may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    OWNER = "owner"

    @property
    def rank(self) -> int:
        return list(Role).index(self)


class Permission(StrEnum):
    """What a route asks for. API keys name those that they are limited to."""

    READ = "read"  # jobs, findings, reports, queues, workers, dead letters without their payloads, own identity
    SUBMIT = "submit"  # jobs and batches
    OPERATE = "operate"  # cancel, retry, replay, triage, operations of one's own organisation
    PAYLOADS = "payloads"  # what dead letters and messages hold
    QUEUES = "queues"  # pause, purge, workers: what all organisations share
    POLICY = "policy"  # scan rules, retry policies, dead-letter rules
    AUDIT = "audit"  # read, verify and export the audit
    MEMBERS = "members"  # add, change and remove members
    KEYS = "keys"  # API keys of others
    ORGANISATION = "organisation"  # rename, limits, suspend
    INSTALLATION = "installation"  # organisations and users as such; nobody has it by a role


_NEEDS: dict[Permission, Role | None] = {
    Permission.READ: Role.VIEWER,
    Permission.SUBMIT: Role.OPERATOR,
    Permission.OPERATE: Role.OPERATOR,
    Permission.PAYLOADS: Role.OPERATOR,
    Permission.QUEUES: None,
    Permission.POLICY: Role.ADMIN,
    Permission.AUDIT: Role.ADMIN,
    Permission.MEMBERS: Role.ADMIN,
    Permission.KEYS: Role.ADMIN,
    Permission.ORGANISATION: Role.OWNER,
    Permission.INSTALLATION: None,
}


def permitted(role: Role) -> frozenset[Permission]:
    """Return what a role may do in its organisation. What concerns the whole installation, no role may."""
    return frozenset(each for each, least in _NEEDS.items() if least is not None and role.rank >= least.rank)
