"""The equations of the losses in float64 NumPy, entry by entry, and random features."""

import numpy as np
import torch

LEVELS = ("stem", "layer1", "avgpool")
SHAPES = {"stem": (3, 4, 2, 3, 5), "layer1": (3, 6, 1, 2, 2), "avgpool": (3, 7)}


def features(seed, dtype=np.float64, shapes=SHAPES):
    rng = np.random.default_rng(seed)
    return {k: rng.standard_normal(shape).astype(dtype) for k, shape in shapes.items()}


def tensors(arrays, **more):
    return {k: torch.tensor(v, **more) for k, v in arrays.items()}


def mse(s, t, levels):
    return sum(((s[k] - t[k]) ** 2).sum() / s[k].size for k in levels) / len(levels)


def mae(s, t, levels):
    return sum(np.abs(s[k] - t[k]).sum() / s[k].size for k in levels) / len(levels)


def gram_distance(s, t, levels, divisions=1):
    """Divided by the channels so many times; as printed once."""
    total = 0.0
    for k in levels:
        n, c = s[k].shape[:2]
        positions = int(np.prod(s[k].shape[2:]))
        for clip in range(n):
            fs, ft = (x[k][clip].reshape(c, positions) for x in (s, t))
            distance = 0.0
            for i in range(c):
                for j in range(c):
                    distance += abs(np.dot(fs[i], fs[j]) - np.dot(ft[i], ft[j]))
            total += distance / (len(levels) * c**divisions * positions) / n
    return total
