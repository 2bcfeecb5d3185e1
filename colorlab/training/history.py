"""What happened in a training run, epoch by epoch."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class History:
    """The record of a run.

    Attributes:
        rows: one dictionary an epoch; :meth:`table` shows them.
        truth: ``(n, 3, H, W)`` uint8, the validation images that are watched.
        images: by epoch, those images as the network then colored them, each ``(n, 3, H, W)`` uint8.
            Entry 0 is before training.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    truth: Tensor | None = None
    images: list[Tensor] = field(default_factory=list)

    def table(self) -> pd.DataFrame:
        """One row an epoch.

        ``train_…`` are means over the training images while the network changed, ``val_…`` over the validation
        images afterwards; what they are is said by the objective (:meth:`Regression.train_step
        <colorlab.training.regression.Regression.train_step>` and its like). ``learning_rate`` is that of the next
        step, ``images_per_second`` the speed of training without validation.
        """
        import pandas as pd  # for who looks; training itself does without

        return pd.DataFrame(self.rows).set_index("epoch") if self.rows else pd.DataFrame()

    def csv(self) -> str:
        """The same table as a file has it."""
        text = io.StringIO()
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()
