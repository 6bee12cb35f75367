"""Program: compile `templates/report.typ` with the layout on standard input (JSON) to a PDF on standard output.

Runs isolated (`python -I`) in a process of its own, because typst's cache grows with every document.
Arguments: seconds of CPU time, bytes of address space, time of the document (UNIX seconds).
Exit 3: typst refused the document; its message is on standard error. Exit 4: out of memory.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import typst

REFUSED = 3
EXHAUSTED = 4
TEMPLATE = Path(__file__).with_name("templates") / "report.typ"
STANDARDS: list[typst.PDFStandard] = ["a-2a", "ua-1"]  # archivable, and readable aloud


def main(arguments: list[str]) -> int:
    cpu_s, memory_bytes, at = (int(argument) for argument in arguments)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    try:
        sys.stdout.buffer.write(_compile(sys.stdin.buffer.read().decode(), at))
    except typst.TypstError as exc:
        sys.stderr.write(exc.message)
        return REFUSED
    except MemoryError:
        return EXHAUSTED
    return 0


def _compile(layout: str, at: int) -> bytes:
    """The layout enters as a string that the template parses as data; it is never read as markup."""
    return typst.compile(
        TEMPLATE.read_bytes(),
        font_paths=typst.Fonts(include_system_fonts=False),
        ignore_system_fonts=True,
        sys_inputs={"layout": layout},
        pdf_standards=STANDARDS,
        timestamp=at,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
