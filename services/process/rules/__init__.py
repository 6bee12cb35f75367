"""Rules turn observations into findings. One folder per kind, one small file per subject, each with `judge`.

A rule module has `def judge(evidence) -> Iterator[Finding]`, where `evidence` is the view that the kind's folder
(`rules/<kind>/__init__.py`) makes of the observations by `view(observations, at)`. Rules are pure: no clock, no network, no store.
"""
