"""The supervisor in the background: `python -m vedette.stack`, for `up --detach` and for commands without a stack."""

from __future__ import annotations

import argparse
import sys
import time

from shared.errors import VedetteError
from vedette.stack.home import layout
from vedette.stack.supervisor import Supervisor


def main() -> None:
    """Supervise until told to stop; what happens goes to standard error, a line each."""
    parser = argparse.ArgumentParser(prog="vedette.stack")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--lifeline", type=int, help="stop when this file descriptor is closed at its other end")
    options = parser.parse_args()

    def note(text: str) -> None:
        sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")
        sys.stderr.flush()

    try:
        Supervisor(layout(), options.port, note, options.lifeline).run()
    except VedetteError as exc:
        note(f"{exc.message} {exc.cure}")
        sys.exit(1)


if __name__ == "__main__":
    main()
