"""The base of all settings: strict, immutable, and without unknown keys."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetPydanticSchema,
    ValidationInfo,
)
from pydantic_core import core_schema

# Epochs of a stream, as a multiple of the top-level ones.
FACTOR = re.compile(r"[x\u00d7]([1-9][0-9]*)")  # x or a multiplication sign
EXPONENT = re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+")


class Settings(BaseModel):
    """Settings of one thing: each field has a type, bounds, a default and a description."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    def values(self) -> dict[str, Any]:
        """Return all values as JSON would have them."""
        return self.model_dump(mode="json")


def _either(what: str, *schemas: core_schema.CoreSchema) -> core_schema.CoreSchema:
    """Allow several types, with one message for all."""
    return core_schema.union_schema(
        list(schemas), custom_error_type="either", custom_error_message=f"Input should be {what}"
    )


def _listed(value: Any) -> Any:
    """Return one name or none as a list of names."""
    return [value] if isinstance(value, str) else [] if value is None else value


def _without_point(value: Any) -> Any:
    """Take ``1e-3`` as a number: YAML 1.1, without a point in it, makes it a text."""
    return float(value) if isinstance(value, str) and EXPONENT.fullmatch(value) else value


def without_braces(path: str) -> str:
    """Refuse a path that Snakemake would take for a pattern, or that no system takes."""
    if set(path) & set("{}\0"):
        raise ValueError("a path without { and }, which Snakemake replaces")
    return path


def distinct(values: list[Any]) -> list[Any]:
    """Refuse a list with equal entries."""
    if len(set(values)) < len(values):
        raise ValueError("entries that differ")
    return values


def without_nulls(value: Any) -> Any:
    """Remove the entries of a mapping that an overlay set to null."""
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value


def multiplied(streams: Any, info: ValidationInfo) -> Any:
    """Replace epochs of streams such as ``x2`` by so many times those of ``training``."""
    if not isinstance(streams, dict):
        return streams
    shared = info.data.get("training")  # none if it is wrong
    epochs = shared.epochs if shared else 1
    return {name: _multiplied(stream, epochs) for name, stream in streams.items()}


def _multiplied(stream: Any, epochs: int) -> Any:
    training = stream.get("training") if isinstance(stream, dict) else None
    given = training.get("epochs") if isinstance(training, dict) else None
    found = FACTOR.fullmatch(given) if isinstance(given, str) else None
    if training is None or found is None:
        return stream
    return {**stream, "training": {**training, "epochs": int(found[1]) * epochs}}


if TYPE_CHECKING:
    Number = float
else:

    class Number(float):
        """A number. A whole one stays whole: 25 is written to specs as 25, not as 25.0."""

        @classmethod
        def __get_pydantic_core_schema__(cls, _type: Any, _handler: Any) -> core_schema.CoreSchema:
            finite = core_schema.float_schema(allow_inf_nan=False)
            either = _either("a number", core_schema.int_schema(), finite)
            return core_schema.no_info_before_validator_function(_without_point, either)

        @classmethod
        def __get_pydantic_json_schema__(cls, _schema: Any, _handler: Any) -> dict[str, Any]:
            return {"type": "number"}


Share = Annotated[Number, Field(gt=0, lt=1)]
Text = Annotated[str, Field(min_length=1)]
Folder = Annotated[Text, AfterValidator(without_braces)]
# A key that becomes a part of a path.
Name = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]*$")]
Distinct = AfterValidator(distinct)
_TEXT = core_schema.str_schema()
_TEXTS = core_schema.list_schema(_TEXT, min_length=1)
# A name, or a list of names to choose from.
Choice = Annotated[
    str | list[str],
    GetPydanticSchema(lambda _type, _handler: _either("a name or a list of names", _TEXT, _TEXTS)),
]
# Arguments of a class of `plugins`; left out of specs if there are none.
Options = Annotated[
    dict[str, Any],
    Field(
        exclude_if=lambda value: not value, description="The arguments of the class of `plugins`."
    ),
]
NO_OPTIONS: dict[str, Any] = {}
# One name, a list of names, or null.
Names = Annotated[
    list[str], BeforeValidator(_listed, json_schema_input_type=str | list[str] | None), Distinct
]
