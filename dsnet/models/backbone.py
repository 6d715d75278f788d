"""The interface of a network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

CHANNELS = {"rgb": 3, "flow": 2}


class Backbone(nn.Module):
    """A network for clips. Arguments: K, the channels of the input, and the network's options.

    A subclass writes ``levels`` and ``first`` as literals: planning reads them without running
    code.

    Attributes:
        levels: names of the features of :meth:`forward_features`, in their order.
        first: name of the first convolution, which has the channels of the input.
        classifier: name of the last layer, which has one row per class. ``training.dropout`` acts
            on its input, so it has to be called as a module.
        statistics: means to subtract from pixels of 0..255, ``rgb_mean``, three numbers, and
            ``flow_mean``, one, and what to divide by then, ``rgb_std`` and ``flow_std``. A missing
            one is taken from the configuration (``clips``).
    """

    levels: ClassVar[tuple[str, ...]]
    first: ClassVar[str] = "conv1"
    classifier: ClassVar[str] = "fc"
    statistics: ClassVar[Mapping[str, Any]] = {}

    def forward_features(self, x: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Compute logits, (N, K), and the features of all :attr:`levels`, in order.

        The input is (N, channels, T, H, W). Features are (N, C, T, H, W) or (N, C).
        """
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Compute logits, (N, K), of clips, (N, channels, T, H, W)."""
        return self.forward_features(x)[0]

    def folds(self) -> Iterable[tuple[str, str]]:
        """Return the names of convolutions and of the batch norms that only they lead to, if any.

        A frozen network folds these batch norms into the convolutions, which is faster.
        """
        return ()

    def deepest(self) -> str | None:
        """Return the last of :attr:`levels` that is a child with parameters, or None."""
        children = {name.split(".")[0] for name, _ in self.named_parameters()}
        return next((level for level in reversed(self.levels) if level in children), None)

    def title(self) -> str:
        """Return a short name for messages."""
        return type(self).__name__
