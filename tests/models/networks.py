"""What the tests of networks share: a small one, its file, and 3D ResNeXt in plain functions."""

import zlib

import numpy as np
import torch
from torch.nn import functional as F

SMALL = {"layers": [1, 1, 1, 1], "widths": [4, 4, 8, 8], "stem": 4, "cardinality": 2}


def content(network, classes=("a", "b")):
    """What the ``model.pt`` of a :data:`SMALL` network holds."""
    return {
        "format": "dsnet-model",
        "version": 1,
        "arch": SMALL,
        "input": "rgb",
        "classes": list(classes),
        "state_dict": network.state_dict(),
        "spec": {"any": 1},
    }


class Evil:
    """Prints when it is unpickled."""

    def __reduce__(self):
        return (print, ("executed",))


def filled(shapes):
    """Weights by key as the parity fixtures' description says, each from its own key."""
    weights = {}
    for key, shape in shapes.items():
        r = np.random.default_rng(zlib.crc32(key.encode()))
        if key.endswith("num_batches_tracked"):
            values = np.zeros(shape)
        elif key.endswith("running_var"):
            values = r.uniform(0.5, 1.5, shape)
        elif key.endswith("running_mean"):
            values = 0.1 * r.standard_normal(shape)
        elif len(shape) == 5:
            values = np.sqrt(2 / np.prod(shape[1:])) * r.standard_normal(shape)
        elif len(shape) == 2:
            values = r.standard_normal(shape) / np.sqrt(shape[1])
        elif key.endswith("weight"):
            values = r.uniform(0.25, 0.75, shape)
        else:
            values = 0.1 * r.standard_normal(shape)
        weights[key] = torch.from_numpy(np.asarray(values, np.float32))
    return weights


def plain(weights, x, layers=(3, 4, 23, 3), cardinality=32):
    """Logits and features by level of a 3D ResNeXt in eval mode, from its definition.

    Hara et al. 2018, table 1: a 7x7x7 convolution of stride (1, 2, 2), a max pool of 3 and
    stride 2, four layers of bottlenecks, of which the first blocks of the last three have stride
    2, the mean over time and space, and a linear layer. Every first block projects its shortcut.
    """

    def convolved(x, key, norm, stride=1, groups=1):
        kernel = weights[f"{key}.weight"]
        x = F.conv3d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2, groups=groups)
        scale, shift, mean, variance = (
            weights[f"{norm}.{name}"].reshape(-1, 1, 1, 1)
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / torch.sqrt(variance + 1e-5) * scale + shift

    x = convolved(x, "conv1", "bn1", (1, 2, 2)).clamp(min=0)
    features = {"stem": F.max_pool3d(x, 3, stride=2, padding=1)}
    x = features["stem"]
    for number, blocks in enumerate(layers, start=1):
        for block in range(blocks):
            at = f"layer{number}.{block}"
            stride = 2 if number > 1 and block == 0 else 1
            y = convolved(x, f"{at}.conv1", f"{at}.bn1").clamp(min=0)
            y = convolved(y, f"{at}.conv2", f"{at}.bn2", stride, cardinality).clamp(min=0)
            y = convolved(y, f"{at}.conv3", f"{at}.bn3")
            if block == 0:
                x = convolved(x, f"{at}.downsample.0", f"{at}.downsample.1", stride)
            x = (y + x).clamp(min=0)
        features[f"layer{number}"] = x
    features["avgpool"] = x.mean(dim=(2, 3, 4))
    return features["avgpool"] @ weights["fc.weight"].T + weights["fc.bias"], features
