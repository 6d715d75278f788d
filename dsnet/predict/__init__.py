"""Actions in any video, by a trained stream: RGB alone, or fused with flow."""

from dsnet.predict.classifier import PredictError, VideoClassifier, load_model
from dsnet.predict.prediction import Prediction, ranked

__all__ = [
    "PredictError",
    "Prediction",
    "VideoClassifier",
    "load_model",
    "ranked",
]
