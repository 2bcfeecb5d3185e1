"""Record and show a training run, epoch by epoch."""

from __future__ import annotations

import base64
import contextlib
import csv
import html
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from torch import Tensor, nn

if TYPE_CHECKING:
    import pandas as pd


Network = TypeVar("Network", bound=nn.Module)


@dataclass
class History:
    """The record of a run.

    Attributes:
        rows: one dictionary per epoch; :meth:`table` shows them.
        truth: ``(n, 3, H, W)`` uint8, the watched validation images.
        images: those images as the network colored them after each epoch, each ``(n, 3, H, W)`` uint8.
            Entry 0 is before training.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    truth: Tensor | None = None
    images: list[Tensor] = field(default_factory=list)

    def table(self) -> pd.DataFrame:
        """Return a table with one row per epoch.

        ``train_…`` are means over the training images while the network changed, ``val_…`` over the validation
        images after the epoch; the learner defines them (such as :meth:`Regression.train_step
        <colorlab.training.regression.Regression.train_step>`). ``learning_rate`` is that of the next training step,
        ``images_per_second`` the speed of training without validation.
        """
        import pandas as pd  # only needed here; training does not use it

        return pd.DataFrame(self.rows).set_index("epoch") if self.rows else pd.DataFrame()

    def csv(self) -> str:
        """Return the table as CSV text."""
        text = io.StringIO()
        columns = list(dict.fromkeys(name for row in self.rows for name in row))
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()


@dataclass(frozen=True, repr=False)
class Result(Generic[Network]):
    """A finished or stopped training run. A notebook shows its curves and its table.

    Attributes:
        model: the network after the last batch, in ``eval()`` mode.
        history: losses and images by epoch.
        folder: the folder of the run's files.
        stopped: whether it was interrupted before its last epoch; ``resume`` continues it.
    """

    model: Network
    history: History
    folder: Path
    stopped: bool = False

    def __repr__(self) -> str:
        rows = self.history.rows
        losses = [row["val_loss"] for row in rows]
        course = f"validation loss {losses[0]:.4g} → {losses[-1]:.4g}, " if losses else ""
        name = getattr(self.model, "name", "") or type(self.model).__name__
        epochs = f"{len(rows)} epoch{'' if len(rows) == 1 else 's'}{', stopped early' * self.stopped}"
        return f"{type(self).__name__}({name}, {epochs}, {course}files in {self.folder})"

    def _repr_html_(self) -> str:
        table = self.history.table()
        parts = [f"<p><code>{html.escape(repr(self))}</code></p>"]
        with contextlib.suppress(ImportError):  # without matplotlib, the table alone
            from colorlab import plots

            if len(table):
                image = base64.b64encode(plots.png(plots.figure(self))).decode()
                parts.append(f'<img src="data:image/png;base64,{image}" alt="Loss by epoch">')
        return "".join([*parts, table.to_html(float_format="{:.4g}".format)])
