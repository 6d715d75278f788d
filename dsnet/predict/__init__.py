"""Prediction of actions in any video by a trained stream: RGB alone, or fused with flow."""

from dsnet.predict.classifier import VideoClassifier, load_model
from dsnet.predict.prediction import Features, Prediction, Scored, Seen
from dsnet.predict.streams import PredictError

__all__ = [
    "Features",
    "PredictError",
    "Prediction",
    "Scored",
    "Seen",
    "VideoClassifier",
    "load_model",
]
