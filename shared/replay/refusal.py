"""Why a dead letter is not replayed."""

from __future__ import annotations


class Refused(Exception):
    """The dead letter cannot be replayed so. `code` is for programs, `detail` for people.

    rule: that of the scan policy which refuses the target, if it does.
    """

    def __init__(self, code: str, detail: str, *, rule: str = "") -> None:
        super().__init__(code, detail)
        self.rule = rule
        self.code = code
        self.detail = detail
