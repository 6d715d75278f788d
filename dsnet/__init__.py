"""dsnet: distilling optical flow into an RGB network for video action recognition."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsnet.predict import Prediction, VideoClassifier, load_model

__all__ = ["Prediction", "VideoClassifier", "load_model"]


def __dir__() -> list[str]:
    return [*globals(), *__all__]


def __getattr__(name: str) -> Any:
    # Imported on demand: every verb imports this package, and few verbs need PyTorch.
    if name in __all__:
        from dsnet import predict

        return getattr(predict, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
