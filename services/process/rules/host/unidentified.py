"""Open ports that say nothing known. One finding for the whole host: a tarpit has hundreds of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from services.process.facts import Fact
from services.process.rule import Rule, cwe, ref
from services.process.rules.host import View
from shared.contracts import ports
from shared.contracts.finding import Finding, Severity
from shared.contracts.observation import Evidence

UNIDENTIFIED = Rule(
    id="service-unidentified",
    title="Open ports whose service could not be told",
    severity=Severity.INFO,
    why=(
        "Something accepts connections there and says nothing that is known: a service that waits for its own client, "
        "one that no rule knows, or a device that accepts on every port. Nothing there was judged, so a good score "
        "says nothing of these ports."
    ),
    fix=(
        "See on the machine who listens: `ss -ltnp` (Linux), `netstat -abno` (Windows). Stop what nobody needs, and "
        "let a firewall admit only who needs the rest."
    ),
    references=(
        cwe(1125, "Excessive Attack Surface"),
        ref("ss(8)", "https://man7.org/linux/man-pages/man8/ss.8.html"),
    ),
)
SHOWN = 300  # characters of a list of ports in a sentence; the evidence has all
_AT_ONCE = 500  # ports in one piece of evidence, which is thereby below its limit


def judge(view: View) -> Iterator[Finding]:
    unknown = list(view.named("unknown"))
    if not unknown:
        return
    by_place: dict[str, set[int]] = {}
    for service in unknown:
        by_place.setdefault(service.subject.rpartition(":")[0], set()).add(service.data.port)
    lists = [f"{place.removeprefix('tcp/')}: {_shown(_compact(found))}" for place, found in by_place.items()]
    number = sum(len(found) for found in by_place.values())
    what = (
        f"{number} open {'port says' if number == 1 else 'ports say'} nothing known. At {_shown('; at '.join(lists))}."
    )
    proof = tuple(
        Evidence(source="open, and of no known service", text=f"{place}: {_compact(some)}")
        for place, found in by_place.items()
        for some in _portions(sorted(found))
    )
    yield UNIDENTIFIED.at(Fact(unknown[0].data, "host", proof), what)


def places(finding: Finding) -> list[str]:
    """Return the subjects of the ports that `finding` is about: it is gone only if all of them were checked."""
    pairs = [piece.text.rpartition(": ") for piece in finding.evidence]
    return [f"{place}:{port}" for place, _, found in pairs for port in ports.parse(found)]


def _portions(numbers: list[int]) -> Iterator[list[int]]:
    return (numbers[start : start + _AT_ONCE] for start in range(0, len(numbers), _AT_ONCE))


def _compact(numbers: Iterable[int]) -> str:
    """Return ports as a port expression, e.g. `22,1000-1010`."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ",".join("-".join(map(str, run)) for run in runs)


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN].rpartition(',')[0]},…"
