"""Log lines of threads that outlive the capture of a test, as a gateway that a fixture stops does."""

from __future__ import annotations

import sys
from contextlib import suppress


class Lines:
    """A structlog logger that writes to what standard output is now.

    structlog's own prints there, and before CPython 3.12.10 `print` holds no reference to standard output: when a
    fixture of pytest puts another in its place while a thread waits in `print`, it writes to freed memory (gh-130163).
    """

    def msg(self, message: str) -> None:
        out = sys.stdout  # held until the line is written
        with suppress(ValueError):  # the test that captured it is over, and has closed it
            out.write(f"{message}\n")
            out.flush()

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg
