"""Training: one options object, one loop, for notebooks and the command line alike."""

from __future__ import annotations

from colorlab.training.history import History
from colorlab.training.loop import Training, train
from colorlab.training.objectives import OBJECTIVES
from colorlab.training.options import TrainingOptions

__all__ = ["OBJECTIVES", "History", "Training", "TrainingOptions", "train"]
