"""Train colorizers and classifiers, in notebooks and on the command line."""

from __future__ import annotations

from colorlab.training.classification import ClassifierOptions, ClassifierTraining, train_classifier
from colorlab.training.colorizer import Training, train
from colorlab.training.history import History
from colorlab.training.loop import Progress, StopRequest, TrainingDivergedError
from colorlab.training.objectives import OBJECTIVES, register_objective
from colorlab.training.options import TrainingOptions
from colorlab.training.watching import CollapseWarning

__all__ = [
    "OBJECTIVES",
    "ClassifierOptions",
    "ClassifierTraining",
    "CollapseWarning",
    "History",
    "Progress",
    "StopRequest",
    "Training",
    "TrainingDivergedError",
    "TrainingOptions",
    "register_objective",
    "train",
    "train_classifier",
]
