"""Rules turn observations into findings. One folder per kind, one small file per subject, each with `judge`.

The kind's folder (`rules/<kind>/__init__.py`) has `view(observations, at)`, which makes what its rules see, and
`checked(target, profile, coverage, observations)`, which says what a scan looked at (see `diff`). A module of rules
has `judge(view) -> Iterator[Finding]` and declares each rule's standing text as a `Rule`. One whose findings can be
hidden without being repaired has `sees(view, finding) -> bool` too: whether the finding would show if it were there.
One whose findings are about many subjects has `places(finding) -> list[str]`: all of them must have been checked.
Modules whose name begins with an underscore hold data and are no rules. Rules are pure: no clock, no network, no store.
"""
