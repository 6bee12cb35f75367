"""Queues and priorities by name. The scan service has four lanes, so that a heavy scan never delays a quick one."""

from __future__ import annotations

from shared.contracts.job import Priority, StageName

LANES: dict[StageName, tuple[str, ...]] = {
    StageName.SCAN: ("scan.realtime", "scan", "scan.heavy", "scan.background"),
    StageName.PROCESS: ("process",),
    StageName.REPORT: ("report",),
    StageName.NOTIFY: ("notify",),
}
ALL_LANES = tuple(lane for lanes in LANES.values() for lane in lanes)
STAGE_OF = {lane: stage for stage, lanes in LANES.items() for lane in lanes}
PRIORITIES = {Priority.URGENT: 0, Priority.HIGH: 3, Priority.NORMAL: 6, Priority.LOW: 9}  # Redis: 0 is the highest
