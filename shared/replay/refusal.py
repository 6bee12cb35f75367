"""Why a dead letter is not replayed."""

from __future__ import annotations


class Refused(Exception):
    """The dead letter cannot be replayed so. `code` is for programs, `detail` for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
