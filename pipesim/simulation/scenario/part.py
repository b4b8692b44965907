"""What all parts of a scenario have in common: immutable, without unknown keys, and complete in their complaints."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, Strict, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

# Far above any platform, and far below where int64 thousandths or bytes would overflow.
LARGEST = 1e9

Amount = Annotated[float, Strict(), Field(gt=0, le=LARGEST, allow_inf_nan=False)]
NotNegative = Annotated[float, Strict(), Field(ge=0, le=LARGEST, allow_inf_nan=False)]
Count = Annotated[int, Strict(), Field(ge=1, le=LARGEST)]
Flag = Annotated[bool, Strict()]
Word = Annotated[str, Field(min_length=1)]
Mistake = tuple[tuple[str | int, ...], str]


class Part(BaseModel):
    """A part of a scenario: immutable, without unknown keys, and complete in its complaints."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def mistakes_across(cls, given: dict[str, Any]) -> list[Mistake]:
        """Return the mistakes that lie in several keys together; `given` is not validated yet."""
        return []

    @model_validator(mode="wrap")
    @classmethod
    def _complain_of_all(cls, given: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        # Pydantic runs checks across keys only once each key is sound, so a file would be mended in several rounds.
        across = cls.mistakes_across(given) if isinstance(given, dict) else []
        details = [_detail(loc, "across_keys", text, given) for loc, text in across]
        part = None
        try:
            part = handler(given)
        except ValidationError as error:
            accepted = ", ".join(cls.model_fields)
            errors = error.errors()
            # A list of which an item is wrong is not too short besides.
            inner = {found["loc"][:depth] for found in errors for depth in range(len(found["loc"]))}
            for found in errors:
                if found["type"] == "too_short" and found["loc"] in inner:
                    continue
                text = f"unknown key; accepted here: {accepted}" if found["type"] == "extra_forbidden" else found["msg"]
                kind = "unknown_key" if found["type"] == "extra_forbidden" else found["type"]
                details.append(_detail(found["loc"], kind, text, found["input"]))
        if part is None or details:
            raise ValidationError.from_exception_data(cls.__name__, details)
        return part


def _detail(loc: tuple[str | int, ...], kind: str, text: str, value: Any) -> InitErrorDetails:
    # The text is passed as a context value because a template would trip over braces in it.
    return InitErrorDetails(type=PydanticCustomError(kind, "{text}", {"text": text}), loc=loc, input=value)
