"""Heights of names in a column beside points, whose lines each end at their own point."""

from __future__ import annotations

import numpy as np

CLEAR = 0.09  # inches from a line to the middle of another mark
SHARE = 0.6  # of the distance of two marks that nearly touch
FINE = 16  # heights to choose from, per line of text
MET = 20.0  # inches of distance that one met mark, or a crossing, counts as


def leaders(
    points: np.ndarray, marks: np.ndarray, x: float, ends: tuple[float, float], gap: float
) -> list[float]:
    """Choose heights of names at ``x``, so that no line meets another mark or crosses the next.

    Names stay in the order of their points, at least ``gap`` apart, and as near as they can be.
    Where marks lie on one another, a line keeps as clear as it can.

    Args:
        points: (N, 2) places of the points with names, in inches.
        marks: (M, 2) places of all marks, those of ``points`` among them.
        x: where the lines begin, left or right of all points.
        ends: lowest and highest middle of a name; names go below the lowest if they are too many.
        gap: inches from the middle of a name to the next.
    """
    if not len(points):
        return []
    order = np.lexsort((np.abs(points[:, 0] - x), points[:, 1]))
    heights = np.arange(ends[1], min(ends[0], ends[1] - gap * len(points)), -gap / FINE)
    close = heights[:, None] - heights < gap - 1e-9  # by the upper and the lower name
    costs = []
    for point in points[order]:
        others = marks[(marks != point).any(axis=1)]
        met = _met(point, others, x, heights)
        costs.append(np.abs(heights - point[1]) + MET * met)
    total, choices = costs[0], []
    for lower, upper, cost in zip(points[order], points[order[1:]], costs[1:], strict=False):
        both = np.where(close, np.inf, total + MET * _cross(lower, upper, x, heights))
        choices.append(both.argmin(axis=1))  # of the lower name, for each height of the upper
        total = cost + both.min(axis=1)
    chosen = [total.argmin()]
    for choice in reversed(choices):
        chosen.append(choice[chosen[-1]])
    found = np.empty(len(points))
    found[order[::-1]] = heights[chosen]
    return found.tolist()


def _met(point: np.ndarray, others: np.ndarray, x: float, heights: np.ndarray) -> np.ndarray:
    """Return how much the line from each height to ``point`` meets other marks, (H,)."""
    starts = np.stack([np.full_like(heights, x), heights], axis=1)[:, None]
    along = point - starts
    share = ((others - starts) * along).sum(-1) / (along**2).sum(-1)
    nearest = starts + np.clip(share, 0, 1)[..., None] * along
    distance = np.linalg.norm(others - nearest, axis=-1)
    clear = np.minimum(CLEAR, SHARE * np.linalg.norm(others - point, axis=-1))
    return np.maximum(1 - distance / np.maximum(clear, 1e-9), 0).sum(axis=1)


def _cross(lower: np.ndarray, upper: np.ndarray, x: float, heights: np.ndarray) -> np.ndarray:
    """Return whether lines to two points cross, by the height of the upper and the lower name."""
    reach = min(abs(lower[0] - x), abs(upper[0] - x))
    above, below = (heights + (p[1] - heights) * reach / abs(p[0] - x) for p in (upper, lower))
    return above[:, None] < below - 1e-9
