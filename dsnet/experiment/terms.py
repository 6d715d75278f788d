"""Settings of the distillation terms."""

from __future__ import annotations

import operator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from dsnet.experiment.settings import Distinct, Number, Settings, Share, without_nulls

Levels = Annotated[list[str], Field(min_length=1), Distinct]
EVERY = ["stem", "layer1", "layer2", "layer3", "layer4", "avgpool"]


class Term(Settings):
    """A loss of `plugins`; the keys beside these are the arguments of its class."""

    model_config = ConfigDict(extra="allow")
    # Whether clips of a batch count together. Then a part of a batch has another loss.
    batchwise: ClassVar[bool] = False

    weight: Number = Field(50, ge=0, description="Weight alpha of the term.")
    share: Share | None = Field(
        None,
        description="Part of the gradient that the term gets, instead of `weight`: at the first "
        "step of every epoch the weight is set so that the norm of its gradient is this part of "
        "the sum of all terms' norms. The shares of a stream sum to less than 1. null keeps the "
        "weight.",
    )
    fade: bool = Field(
        False,
        exclude_if=operator.not_,
        description="The weight, or the share, follows half a cosine from its value in the first "
        "epoch to zero in the last.",
    )

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of the loss's class."""
        return self.model_dump(exclude={"weight", "share", "fade"})


def _with_positions(levels: list[str]) -> list[str]:
    """Refuse levels that have no positions."""
    if {"avgpool", "logits"}.intersection(levels):
        raise ValueError("levels with positions, which avgpool and logits do not have")
    return levels


Maps = Annotated[Levels, AfterValidator(_with_positions)]


class MSE(Term):
    """Equation 1, mean squared error."""

    model_config = ConfigDict(extra="forbid")
    levels: Levels = Field(["avgpool"], description="Features compared.")


class MAE(Term):
    """Equation 2, multi-level mean absolute error."""

    model_config = ConfigDict(extra="forbid")
    levels: Levels = Field(EVERY, description="Features compared.")


class Gram(Term):
    """Equation 3, distance of the Gram matrices."""

    model_config = ConfigDict(extra="forbid")
    levels: Levels = Field(EVERY[:-1], description="Features compared.")
    normalize: Literal["paper", "channels", "mean"] = Field(
        "paper",
        description="`paper` as printed, a sum over the C x C entries; `channels` divides each "
        "level once more by C; `mean` by C x C, the mean over the entries.",
    )


class DIST(Term):
    """DIST, the relations of class probabilities."""

    model_config = ConfigDict(extra="forbid")
    batchwise = True
    weight: Number = Field(2, ge=0, description="Weight of the term; DIST's beta and gamma are 2.")
    temperature: Number = Field(4, gt=0, description="What logits are divided by.")


class DKD(Term):
    """Decoupled knowledge distillation of the logits."""

    model_config = ConfigDict(extra="forbid")
    weight: Number = Field(1, ge=0, description="Weight of the term; DKD's alpha is 1.")
    temperature: Number = Field(4, gt=0, description="What logits are divided by.")
    beta: Number = Field(
        8, ge=0, description="Weight of the classes that are not true, beside the true one's 1."
    )


class PKD(Term):
    """PKD, half the squared distance of features that are standardised by channel."""

    model_config = ConfigDict(extra="forbid")
    batchwise = True
    weight: Number = Field(
        36,
        ge=0,
        description="Weight of the term; PKD has 6 for each level, and this is a mean of six.",
    )
    levels: Levels = Field(EVERY, description="Features compared.")


class AT(Term):
    """Attention transfer, the distance of normalised maps of squared features."""

    model_config = ConfigDict(extra="forbid")
    levels: Maps = Field(EVERY[:-1], description="Features compared, of clips with positions.")


class SRD(Term):
    """SRD, the logarithm of the mean of powers of standardised differences."""

    model_config = ConfigDict(extra="forbid")
    batchwise = True
    weight: Number = Field(2, ge=0, description="Weight of the term, as in SRD's code.")
    levels: Levels = Field(["avgpool"], description="Features compared.")
    projector: Literal["none", "linear"] = Field(
        "none",
        description="`linear` maps the student's channels by a matrix for each level, which is "
        "trained with the student.",
    )
    alpha: Number = Field(4, ge=1, description="Exponent of the differences.")


class Trusted(Term):
    """Equation 2, with each clip weighted by the teacher's probability of its true class."""

    model_config = ConfigDict(extra="forbid")
    batchwise = True
    levels: Levels = Field(EVERY, description="Features compared.")


class CKA(Term):
    """1 - the centred kernel alignment of the features at positions of the batch."""

    model_config = ConfigDict(extra="forbid")
    batchwise = True
    levels: Levels = Field(EVERY[:-1], description="Features compared.")
    positions: int = Field(
        256, ge=4, description="Positions of the clips of a batch that are compared, at most."
    )


def _term(description: str) -> Any:
    """Declare a term that is in specs only where it is set."""
    return Field(None, exclude_if=lambda value: value is None, description=description)


class Losses(Settings):
    """Distillation terms by name: dsnet's own, and those of `plugins`."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Term]

    mse: MSE | None = _term("Equation 1, mean squared error.")
    mae: MAE | None = _term("Equation 2, multi-level mean absolute error.")
    gram: Gram | None = _term("Equation 3, distance of the Gram matrices.")
    dist: DIST | None = _term("DIST, the relations of class probabilities.")
    dkd: DKD | None = _term("Decoupled knowledge distillation of the logits.")
    pkd: PKD | None = _term("PKD, the distance of standardised features.")
    at: AT | None = _term("Attention transfer, the distance of maps.")
    srd: SRD | None = _term("SRD, the log-sum of standardised differences.")
    trusted: Trusted | None = _term("Equation 2, by the teacher's correctness.")
    cka: CKA | None = _term("1 - the centred kernel alignment at positions.")

    _nulls = model_validator(mode="before")(without_nulls)

    def count_processes(self) -> bool:
        """Return whether the result depends on the number of processes, rounding aside."""
        return any(term.batchwise for term in self.terms().values())

    def terms(self) -> dict[str, Term]:
        """Return the terms that are set, sorted by name."""
        own = {name: getattr(self, name) for name in type(self).model_fields}
        found = {**own, **self.__pydantic_extra__}
        return {name: found[name] for name in sorted(found) if found[name] is not None}
