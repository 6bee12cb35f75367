"""Plugins: one file in one folder. The same mechanism finds kinds, scanners, rules, report formats and channels."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from types import ModuleType

from pydantic import TypeAdapter, ValidationError

from shared.contracts.target import TargetModel
from shared.errors import InvalidInput


class UnknownPlugin(InvalidInput):
    """No file of this name is in the folder."""


@cache
def names(package: str) -> tuple[str, ...]:
    """Return the names of the plugins in `package`, e.g. `services.report.formats`, without importing them."""
    folder = import_module(package)
    return tuple(sorted(info.name for info in pkgutil.iter_modules(folder.__path__) if not info.name.startswith("_")))


def plugin(package: str, name: str) -> ModuleType:
    """Import one plugin. Raises UnknownPlugin naming those that exist."""
    if name not in names(package):
        raise UnknownPlugin(f"Nothing named {name!r} is in {package}.", cure=f"There is: {', '.join(names(package))}.")
    return import_module(f"{package}.{name}")


def plugins(package: str) -> dict[str, ModuleType]:
    """Import every plugin of `package`, by name."""
    return {name: plugin(package, name) for name in names(package)}


def target(data: object) -> TargetModel:
    """Return the target that `data` describes, checked by its kind's own model. Raises InvalidInput."""
    kind = data.get("kind") if isinstance(data, dict) else None
    if not isinstance(kind, str):
        raise InvalidInput(
            "The target has no kind.", cure=f"Set `kind` to one of: {', '.join(kinds())}.", pointer="/kind"
        )
    if kind not in kinds():
        raise InvalidInput(f"Kind {kind[:40]!r} is unknown.", cure=f"There is: {', '.join(kinds())}.", pointer="/kind")
    try:
        return TypeAdapter(kinds()[kind]).validate_python(data)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False, include_context=False)[0]
        pointer = "".join(f"/{_escaped(str(part))}" for part in first["loc"])
        raise InvalidInput(f"The target's {pointer[1:] or 'model'}: {first['msg']}.", pointer=pointer) from None


def _escaped(part: str) -> str:
    """Return one part of a JSON pointer (RFC 6901, 3); a client may have chosen it, so it stays short and printable."""
    return "".join(c if c.isprintable() else "?" for c in part[:40]).replace("~", "~0").replace("/", "~1")


@cache
def kinds() -> dict[str, type[TargetModel]]:
    """Return the request model of every kind."""
    return {name: module.Target for name, module in plugins("shared.contracts.kinds").items()}
