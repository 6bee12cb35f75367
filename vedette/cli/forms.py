"""What was typed, as the model that is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from vedette.cli.failure import Misused

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound="BaseModel")


def checked(model: type[Model], given: dict[str, Any]) -> Model:
    """Return what was given as a model. Raises Misused, which names the field and never what stands in it."""
    from pydantic import ValidationError  # noqa: PLC0415

    try:
        return model.model_validate(given)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        field = "/".join(str(part) for part in first["loc"])
        raise Misused(f"{field}: {_wrong(field, first)}.", cure="Write it otherwise; see --help") from None


_LIKE = {"id": "a-z, 0-9 and hyphens, as in acme", "email": "an address, as in ann@example.org"}


def _wrong(field: str, error: ErrorDetails) -> str:
    """Return what is wrong in words for those who do not read patterns."""
    if error["type"] == "string_pattern_mismatch" and field in _LIKE:
        return f"it must be {_LIKE[field]}"
    if error["type"] == "too_short":
        return f"at least {error['ctx']['min_length']} characters"
    return error["msg"].removesuffix(".")
