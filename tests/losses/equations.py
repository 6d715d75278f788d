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


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def dist(s, t, temperature):
    p, q = (softmax(x["logits"] / temperature) for x in (s, t))
    inter = [1 - np.corrcoef(a, b)[0, 1] for a, b in zip(p, q, strict=True)]
    intra = [1 - np.corrcoef(a, b)[0, 1] for a, b in zip(p.T, q.T, strict=True)]
    return temperature**2 * (np.mean(inter) + np.mean(intra))


def dkd(s, t, labels, temperature, beta):
    total = 0.0
    for own, theirs, label in zip(s["logits"], t["logits"], labels, strict=True):
        p, q = (softmax(x[None] / temperature)[0] for x in (theirs, own))
        target = p[label] * np.log(p[label] / q[label])
        target += (1 - p[label]) * np.log((1 - p[label]) / (1 - q[label]))
        p, q = (np.delete(x, label) / (1 - x[label]) for x in (p, q))
        total += target + beta * (p * np.log(p / q)).sum()
    return temperature**2 * total / len(labels)


def standardised(x, epsilon=1e-5):
    z = np.empty_like(x)
    for c in range(x.shape[1]):
        channel = x[:, c]
        deviations = channel - channel.sum() / channel.size
        z[:, c] = deviations / np.sqrt((deviations**2).sum() / channel.size + epsilon)
    return z


def pkd(s, t, levels):
    return (
        mse(
            {k: standardised(s[k]) for k in levels}, {k: standardised(t[k]) for k in levels}, levels
        )
        / 2
    )


def at(s, t, levels):
    total = 0.0
    for k in levels:
        for a, b in zip(s[k], t[k], strict=True):
            a, b = ((x**2).sum(axis=0) for x in (a, b))
            a, b = (x / np.sqrt((x**2).sum()) for x in (a, b))
            total += ((a - b) ** 2).sum() / (len(levels) * len(s[k]))
    return total


def srd(s, t, levels, alpha):
    means = [(np.abs(standardised(s[k]) - standardised(t[k])) ** alpha).mean() for k in levels]
    return np.log(means).mean()


def trusted(s, t, labels, levels):
    right = softmax(t["logits"])[range(len(labels)), labels]
    total = 0.0
    for k in levels:
        for clip, weight in enumerate(right / right.mean()):
            total += weight * np.abs(s[k][clip] - t[k][clip]).mean() / (len(levels) * len(right))
    return total


def hsic(k, m):
    """The estimator of Song et al. (2012), equation 5."""
    n = len(k)
    k, m = (x - np.diag(np.diag(x)) for x in (k, m))
    one = np.ones(n)
    total = np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return (total - 2 * (one @ k @ m @ one) / (n - 2)) / (n * (n - 3))


def rows(x):
    """Features at every position of every clip, (n, C), clip by clip."""
    return x.reshape(*x.shape[:2], -1).transpose(0, 2, 1).reshape(-1, x.shape[1])


def cka(s, t, levels, chosen=None):
    total = 0.0
    for k in levels:
        x, y = (rows(f[k]) for f in (s, t))
        if chosen is not None:
            x, y = x[chosen], y[chosen]
        x, y = x @ x.T, y @ y.T
        total += 1 - hsic(x, y) / np.sqrt(hsic(x, x) * hsic(y, y))
    return total / len(levels)


def projected(s, loss):
    """Features whose channels the matrices of a loss's projectors map."""
    matrices = {k: p.weight.detach().double().numpy() for k, p in loss.projectors.items()}
    return {k: np.einsum("dc,nc...->nd...", m, s[k]) for k, m in matrices.items()}
