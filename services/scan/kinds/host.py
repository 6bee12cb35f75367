"""Scan a host: sweep its ports, worst group first, then find out what answers on the open ones.

Addresses beyond `MAX_ADDRESSES` are a gap. Open ports beyond `MAX_IDENTIFIED` are counted, not looked at: a tarpit has
65535 of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from services.scan import spans
from services.scan.kinds import Result, Run
from services.scan.net import record
from services.scan.net.connect import Sweep, Tally
from services.scan.net.identify import BUDGET, Identity, identify
from shared import resolver
from shared.contracts import ports
from shared.contracts.job import Progress
from shared.contracts.kinds.host import Target
from shared.contracts.observation import Gap, GapReason
from shared.egress import Destination, destination
from shared.errors import Temporary
from shared.policy.reach import OWN_RULE

MAX_ADDRESSES = 16  # of one name, IPv4 first
MAX_IDENTIFIED = 1000  # open ports that are looked at
IDENTIFIED_AT_ONCE = 50  # conversations; each holds one socket
SWEEP_SHARE = 0.75  # of the time until the deadline; the rest is for the open ports
TICK = 0.5  # seconds without news after which the identification tells that it goes on, and hears that it is to stop
MARGIN = 1.0  # seconds before the deadline at which to stop, for what comes after

Open = tuple[str, int]


class HostUnreachable(Temporary):
    """Every port of every address was reported as unreachable. Retried: hosts reboot, routes come back."""


async def scan(target: Target, run: Run) -> Result:
    """Scan the addresses that `target` has now. All are guarded before the first packet: names change what they mean.

    Raises TargetUnresolvable, ResolverAway, TargetRefused, HostUnreachable or SocketsExhausted.
    """
    asked = target.port_list(run.profile)
    addresses = await _resolved(target.host)
    places = {place.address: place for place in _judged(target.host, addresses, run)[:MAX_ADDRESSES]}
    barred = _barred(places, asked, run)
    tallies = await _sweep(target.host, places, asked, run)
    _require_reachable(target.host, tallies)
    looked_at, unlisted = _share_out(tallies)
    with spans.identifying(target.host, len(looked_at)):
        identities = [identity async for identity in _identify(looked_at, places, tallies, target.host, run)]
    observations = [record.host(target.host, addresses, tallies)]
    observations += [record.port(address, port, tallies[address].opened[port]) for address, port in looked_at]
    for identity in identities:
        observations += record.services(identity, target.host)
    coverage = record.coverage(asked, tallies, unlisted, barred, _service_gaps(looked_at, identities))
    coverage = record.leaving_out(coverage, target.host, addresses[MAX_ADDRESSES:], len(asked))
    opened = sum(len(tally.opened) for tally in tallies.values())
    return Result(
        coverage, record.in_order(observations), f"{coverage.asked} port{'s' * (coverage.asked != 1)} · {opened} open"
    )


async def _resolved(host: str) -> list[str]:
    with spans.resolving(host) as span:
        found = await asyncio.to_thread(resolver.addresses, host)
        span.set_attribute("vedette.addresses", len(found))
        return found


def _judged(name: str, addresses: list[str], run: Run) -> list[Destination]:
    """Return where the addresses are. Raises TargetRefused where one may not be scanned; all of those are told."""
    refused = [(address, refusal) for address in addresses if (refusal := run.within.refusal(address, name))]
    for address, refusal in refused:
        run.refused(refusal.rule, address)
    if refused:
        raise refused[0][1].error()
    return [destination(address, run.within, name) for address in addresses]


def _barred(places: dict[str, Destination], asked: list[int], run: Run) -> dict[str, list[int]]:
    """Return by address the ports of the installation itself among the `asked`, which are left out."""
    barred = {address: sorted(place.barred.intersection(asked)) for address, place in places.items()}
    for address, members in barred.items():
        for port in members:
            run.refused(OWN_RULE, record.subject(address, port))
    return barred


async def _sweep(host: str, places: dict[str, Destination], asked: list[int], run: Run) -> dict[str, Tally]:
    """Sweep group by group over all addresses. Whatever `run.progress` raises ends it, with every socket closed."""
    now = time.monotonic()
    deadline = now + (run.deadline - now) * SWEEP_SHARE
    sweeps = {address: Sweep(place, deadline=deadline) for address, place in places.items()}
    total = sum(len(set(asked) - place.barred) for place in places.values())
    try:
        for group, members in ports.in_groups(asked).items():
            with spans.sweeping(host, group.value, len(members)) as span:
                async for done, note in _knock(sweeps, places, members):
                    run.progress(_progress(done, total, "ports", group.value, len(members), note))
                span.set_attribute("vedette.ports.open", sum(len(each.tally.opened) for each in sweeps.values()))
    finally:
        for sweep in sweeps.values():
            sweep.close()
    return {address: sweep.tally for address, sweep in sweeps.items()}


async def _knock(
    sweeps: dict[str, Sweep], places: dict[str, Destination], members: list[int]
) -> AsyncIterator[tuple[int, str]]:
    """Sweep one group over all addresses; yield how many ports are done in all, and the address where it is one."""
    for address, sweep in sweeps.items():
        for _ in sweep.run([port for port in members if port not in places[address].barred]):
            yield sum(each.tally.done for each in sweeps.values()), address if len(sweeps) > 1 else ""
            await asyncio.sleep(0)


def _require_reachable(host: str, tallies: dict[str, Tally]) -> None:
    done = sum(tally.done for tally in tallies.values())
    if done and done == sum(len(tally.unreachable) for tally in tallies.values()):
        raise HostUnreachable(
            f"{host} ({', '.join(tallies)}) cannot be reached: a router or this machine refuses every connection.",
            cure="Check that the host is up and that the scan worker has a route to it.",
        )


def _share_out(tallies: dict[str, Tally]) -> tuple[list[Open], dict[str, list[int]]]:
    """Return the open ports to look at, worst group first, and by address those that are too many."""
    opened = {address: ports.in_groups(tally.opened) for address, tally in tallies.items()}
    ranked = [
        (address, port)
        for group in ports.PortGroup
        for address, groups in opened.items()
        for port in groups.get(group, ())
    ]
    unlisted: dict[str, list[int]] = {}
    for address, port in ranked[MAX_IDENTIFIED:]:
        unlisted.setdefault(address, []).append(port)
    return ranked[:MAX_IDENTIFIED], unlisted


async def _identify(
    opened: list[Open], places: dict[str, Destination], tallies: dict[str, Tally], host: str, run: Run
) -> AsyncIterator[Identity]:
    """Yield the identities of `opened` as they become known, until the deadline. Tells its progress every `TICK`."""
    turn, told = asyncio.Semaphore(IDENTIFIED_AT_ONCE), spans.Conversations()

    async def one(address: str, port: int) -> Identity | None:
        async with turn:
            budget = min(BUDGET, run.deadline - MARGIN - time.monotonic())
            latency = tallies[address].opened[port]
            if budget <= 0:
                return None
            with told.next(address, port) as span:
                found = await identify(places[address], port, host, latency=latency, budget=budget)
                span.set_attribute(spans.PROTOCOL, found.service.name)
                return found

    tasks = [asyncio.create_task(one(address, port)) for address, port in opened]
    left, since = set(tasks), time.monotonic()
    try:
        while left:
            note = f"identifying services, for {time.monotonic() - since:.0f} s"
            run.progress(_progress(len(tasks) - len(left), len(tasks), "services", "", 0, note))
            ended, left = await asyncio.wait(left, timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                if identity := task.result():
                    yield identity
        if tasks:
            run.progress(_progress(len(tasks), len(tasks), "services", "", 0, "identified the services"))
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _service_gaps(opened: list[Open], identities: list[Identity]) -> list[Gap]:
    gaps = [
        Gap(subject=record.subject(identity.address, identity.port), reason=reason, detail=what)
        for identity in sorted(identities, key=lambda identity: (identity.address, identity.port))
        for reason, what in identity.missed
    ]
    seen = {(identity.address, identity.port) for identity in identities}
    gaps += [
        Gap(subject=record.subject(*each), reason=GapReason.CAP_REACHED, detail="not identified before the deadline")
        for each in opened
        if each not in seen
    ]
    return gaps


def _progress(done: int, total: int, unit: str, group: str, size: int, note: str) -> Progress:
    return Progress(done=done, total=total, unit=unit, current_group=group, group_size=size, note=note)
