"""Parameters of TV-L1, with OpenCV's names and defaults."""

from __future__ import annotations

from dataclasses import dataclass

# OpenCV's two versions of TV-L1; docs/method.md lists the differences.
SEMANTICS = ("cpu", "cuda")
MIN_SIDE = 16  # pixels; only the frame itself may be smaller


@dataclass(frozen=True)
class TVL1:
    """Parameters of TV-L1; the defaults are those of OpenCV's ``DualTVL1OpticalFlow``.

    ``semantics`` is the version of OpenCV that ``numba`` and ``torch`` follow, ``cpu`` or ``cuda``.
    ``cuda`` has ``inner_iterations * outer_iterations`` iterations per warp and no median filter.

    Raises:
        ValueError: a value is out of range; the message says which.
    """

    tau: float = 0.25
    lambda_: float = 0.15
    theta: float = 0.3
    nscales: int = 5
    warps: int = 5
    epsilon: float = 0.01
    inner_iterations: int = 30
    outer_iterations: int = 10
    scale_step: float = 0.8
    median_filtering: int = 5
    semantics: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("tau", "lambda_", "theta", "nscales", "warps"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected more than 0, got {getattr(self, name)}")
        for name in ("epsilon", "inner_iterations", "outer_iterations"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name}: expected at least 0, got {getattr(self, name)}")
        if not 0 < self.scale_step < 1:
            raise ValueError(f"scale_step: expected between 0 and 1, got {self.scale_step}")
        if self.median_filtering not in (1, 3, 5):
            raise ValueError(f"median_filtering: expected 1, 3 or 5, got {self.median_filtering}")
        if self.semantics not in SEMANTICS:
            raise ValueError(f"semantics: expected {' or '.join(SEMANTICS)}, got {self.semantics}")

    def shapes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Return (height, width) of the levels of the pyramid, the frame first.

        As in OpenCV, a level is ``scale_step`` times the level before, rounded half to even. The
        pyramid ends before a level with a side below 16 pixels.
        """
        shapes = [(height, width)]
        while len(shapes) < self.nscales:
            height, width = round(height * self.scale_step), round(width * self.scale_step)
            if min(height, width) < MIN_SIDE:
                break
            shapes.append((height, width))
        return shapes
