"""Settings of the random changes of training clips."""

from __future__ import annotations

from pydantic import Field

from dsnet.experiment.settings import Number, Settings


class Augment(Settings):
    """Bounds of the random changes of a training clip; every draw is uniform within them."""

    brightness: Number = Field(
        0, ge=0, le=1, description="Added to all channels of RGB, as a share of 255, up or down."
    )
    contrast: Number = Field(
        0,
        ge=0,
        le=1,
        description="Distances from the grey of `clips.rgb_mean` are multiplied by 1 ± this.",
    )
    saturation: Number = Field(
        0, ge=0, le=1, description="Distances from grey are multiplied by 1 ± this."
    )
    hue: Number = Field(
        0, ge=0, le=180, description="Degrees that colours turn about the grey axis."
    )
    rotation: Number = Field(
        0,
        ge=0,
        le=180,
        description="Degrees that RGB and flow turn about the centre. Keep it small where a "
        "direction makes the class.",
    )
    zoom: Number = Field(
        0, ge=0, le=1, description="RGB and flow are enlarged, or shrunk, by up to 1 + this."
    )
    shift: Number = Field(
        0, ge=0, le=0.5, description="Share of the side that RGB and flow are moved by, each way."
    )
    shear: Number = Field(
        0, ge=0, le=45, description="Degrees that upright lines of RGB and flow are tilted by."
    )


NOTHING = Augment()
