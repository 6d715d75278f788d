"""OpenCV's CUDA version of TV-L1 as plain array formulas in float64, for one pair."""

import numpy as np


def flow(frame0, frame1, params):
    """(H, W, 2) float64 from two (H, W) uint8 frames."""
    shapes = params.shapes(*frame0.shape)
    pyramid = [(frame0.astype(float), frame1.astype(float))]
    for shape in shapes[1:]:
        step = 1 / params.scale_step
        pyramid.append(tuple(sample_linear(i, shape, step, step) for i in pyramid[-1]))
    u = np.zeros((2, *shapes[-1]))
    for level in reversed(range(len(shapes))):
        u = solve(*pyramid[level], u, params)
        if level:
            (height, width), finer = shapes[level], shapes[level - 1]
            steps = height / finer[0], width / finer[1]
            u = np.stack([sample_linear(c, finer, *steps) for c in u]) / params.scale_step
    return np.moveaxis(u, 0, -1)


def sample_linear(image, shape, step_y, step_x):
    """Bilinear samples at d·step; the neighbour beyond the end is the last pixel."""
    y, x = np.arange(shape[0]) * step_y, np.arange(shape[1]) * step_x
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    bottom, right = (
        np.minimum(a + 1, n - 1) for a, n in zip((top, left), image.shape, strict=True)
    )
    v, w = (y - top)[:, None], (x - left)[None]
    rows = image[top] * (1 - v) + image[bottom] * v
    return rows[:, left] * (1 - w) + rows[:, right] * w


def solve(image0, image1, u, params):
    height, width = image0.shape
    padded = np.pad(image1, 1, mode="edge")
    gradient = [
        0.5 * (padded[1:-1, 2:] - padded[1:-1, :-2]),
        0.5 * (padded[2:, 1:-1] - padded[:-2, 1:-1]),
    ]
    p = np.zeros((2, 2, height, width))  # of u1 and u2: x and y component
    threshold = params.lambda_ * params.theta
    bound = params.epsilon**2 * height * width
    for _ in range(params.warps):
        warped, gx, gy = (sample_cubic(i, u) for i in (image1, *gradient))
        square = gx**2 + gy**2
        rho_c = warped - gx * u[0] - gy * u[1] - image0
        error, previous, n = np.inf, 0.0, 0
        while error > bound and n < params.inner_iterations * params.outer_iterations:
            rho = rho_c + gx * u[0] + gy * u[1]
            with np.errstate(divide="ignore", invalid="ignore"):
                d = np.where(square > np.finfo(np.float32).eps, -rho / square, 0)
            d = np.where(rho < -threshold * square, threshold, d)
            d = np.where(rho > threshold * square, -threshold, d)
            new = u + d * np.stack([gx, gy]) + params.theta * divergence(p)
            if n % 2 and previous < bound:
                error = previous = ((new - u) ** 2).sum()
            else:
                error, previous = np.inf, previous - bound
            u = new
            forward = np.zeros_like(p)
            forward[:, 0, :, :-1] = np.diff(u, axis=2)
            forward[:, 1, :-1] = np.diff(u, axis=1)
            rate = params.tau / params.theta
            p = (p + rate * forward) / (1 + rate * np.hypot(*np.moveaxis(forward, 1, 0))[:, None])
            n += 1
    return u


def divergence(p):
    """Backward differences of both fields, zero outside."""
    x, y = p[:, 0], p[:, 1]
    return np.diff(x, axis=2, prepend=0) + np.diff(y, axis=1, prepend=0)


def sample_cubic(image, u):
    """Bicubic samples at x + u with A = -0.5, renormalised, edges continued."""
    height, width = image.shape
    y, x = np.mgrid[:height, :width] + u[::-1]
    top, left = np.floor(y).astype(int), np.floor(x).astype(int)
    total, weights = np.zeros_like(image), np.zeros_like(image)
    for j in range(-1, 3):
        for i in range(-1, 3):
            w = keys(y - (top + j)) * keys(x - (left + i))
            rows, columns = np.clip(top + j, 0, height - 1), np.clip(left + i, 0, width - 1)
            total += w * image[rows, columns]
            weights += w
    return total / weights


def keys(x):
    """Keys's cubic kernel, A = -0.5 (IEEE TASSP 29, 1981)."""
    x = np.abs(x)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x <= 1, near, np.where(x < 2, far, 0))
