"""What the rest of dsnet asks of a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

CHANNELS = {"rgb": 3, "flow": 2}


class Backbone(nn.Module):
    """A network for clips. The constructor takes K, the channels of the input, and its options.

    A subclass writes ``levels`` as a tuple of texts, for planning reads it without running the
    file; the same goes for ``first``.

    Attributes:
        levels: names of the features that :meth:`forward_features` gives, in their order.
        first: name of the first convolution, whose channels are the input's.
        classifier: name of the last layer, which has a row for each class.
        statistics: ``rgb_mean``, three numbers, and ``flow_mean``, one, that are subtracted from
            pixels of 0..255; those that are absent are the configuration's (``clips``).
    """

    levels: ClassVar[tuple[str, ...]]
    first: ClassVar[str] = "conv1"
    classifier: ClassVar[str] = "fc"
    statistics: ClassVar[Mapping[str, Any]] = {}

    def forward_features(self, x: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """(N, channels, T, H, W) to logits (N, K) and the features of all :attr:`levels`.

        These are (N, C, T, H, W) or (N, C), by level, in order.
        """
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, T, H, W) to logits (N, K)."""
        return self.forward_features(x)[0]

    def folds(self) -> Iterable[tuple[str, str]]:
        """Names of convolutions and of the batch norm that each alone leads to.

        A frozen network has these batch norms folded into the convolutions, which is faster. By
        default there are none.
        """
        return ()

    def deepest(self) -> str | None:
        """The last of :attr:`levels` that is a child with parameters, if there is one."""
        children = {name.split(".")[0] for name, _ in self.named_parameters()}
        return next((level for level in reversed(self.levels) if level in children), None)

    def title(self) -> str:
        """What it is, in a few words."""
        return type(self).__name__
