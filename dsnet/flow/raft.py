"""RAFT (Teed and Deng 2020), torchvision's, on a GPU if PyTorch finds one.

The networks were trained on colour; here they get the grey frame as red, green and blue.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from dsnet import vision
from dsnet.devices import choose_device
from dsnet.flow.backends import BackendError
from dsnet.flow.sizes import check, padded
from dsnet.flow.threads import single_threaded
from dsnet.provenance import file_digest
from dsnet.releases import locate_raft

LEAST, MULTIPLE = 128, 8  # pixels; torchvision's refuses other sides
CHUNK = 8  # pairs at once, for the memory


class RAFT:
    """RAFT with its parameters; see :class:`dsnet.experiment.flows.RAFT`.

    ``digest`` is that of the weights that the spec was made with.

    Raises:
        PretrainedError: there is no file of weights.
        BackendError: the file has other weights, or is not that of the network.
    """

    threads = 0

    def __init__(
        self, model: str, weights: str | None, iterations: int, digest: str | None = None
    ) -> None:
        path = locate_raft(model, weights)
        if digest not in (None, file_digest(path)):
            raise BackendError(
                f"flow.raft.weights: {path} has other weights than this flow was asked of, or made "
                f"with; put the right ones there, or run the workflow again"
            )
        self.network: nn.Module = getattr(vision.module("models.optical_flow"), model)()
        try:
            self.network.load_state_dict(torch.load(path, "cpu", weights_only=True))
        except Exception as error:  # damage raises almost anything
            raise BackendError(
                f"flow.raft.weights: {path} does not have the weights of {model}; get it anew"
            ) from error
        self.device, self.iterations = choose_device("auto"), iterations
        self.network.eval().to(self.device)
        self.where = f"{model} on {self.device}"

    def __call__(self, gray: np.ndarray) -> np.ndarray:
        """Compute (T-1, H, W, 2) float32 flow of (T, H, W) uint8 frames."""
        check(gray)
        frames, place = padded(gray, LEAST, MULTIPLE)
        flow = np.empty((len(gray) - 1, *gray.shape[1:], 2), np.float32)
        one_thread = single_threaded(torch.get_num_threads, torch.set_num_threads)
        with torch.inference_mode(), one_thread:
            for start in range(0, len(flow), CHUNK):
                found = self._pairs(frames[start : start + CHUNK + 1])
                flow[start : start + CHUNK] = found.permute(0, 2, 3, 1)[:, *place].cpu().numpy()
        return flow

    def _pairs(self, frames: np.ndarray) -> Tensor:
        """Compute (N, 2, H, W) float32 flow between N + 1 consecutive frames."""
        images = torch.tensor(frames, device=self.device)[:, None].expand(-1, 3, -1, -1)
        images = images / 255 * 2 - 1
        # It gives the flow after each update.
        return self.network(images[:-1], images[1:], num_flow_updates=self.iterations)[-1]
