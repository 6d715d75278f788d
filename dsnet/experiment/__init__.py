"""The experiment: its typed settings, what follows from them, and the specs of its stages."""

from dsnet.experiment.experiment import Experiment
from dsnet.experiment.loading import ConfigError, check_keys, load, read

__all__ = ["ConfigError", "Experiment", "check_keys", "load", "read"]
