"""What happened in a training run, epoch by epoch."""

from __future__ import annotations

from dataclasses import dataclass, field

import pandas as pd
from torch import Tensor


@dataclass
class History:
    """The record of a run.

    Attributes:
        rows: one dictionary an epoch; :meth:`table` shows them.
        truth: ``(n, 3, H, W)`` uint8, the validation pictures that are watched.
        pictures: by epoch, those pictures as the network then coloured them, each ``(n, 3, H, W)`` uint8.
            Entry 0 is before training.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    truth: Tensor | None = None
    pictures: list[Tensor] = field(default_factory=list)

    def table(self) -> pd.DataFrame:
        """One row an epoch.

        ``train_loss`` and ``val_loss`` are the objective in network units, ``val_mae`` the mean |Δa|, |Δb| in Lab
        units, ``learning_rate`` that of the last step, ``pictures_per_second`` that of training alone.
        """
        return pd.DataFrame(self.rows).set_index("epoch") if self.rows else pd.DataFrame()
