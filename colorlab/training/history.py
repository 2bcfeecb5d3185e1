"""What happened in a training run, epoch by epoch."""

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


@dataclass(frozen=True, repr=False)
class Result(Generic[Network]):
    """A training run that has come to its end, or was stopped. A notebook shows its curves and its table.

    Attributes:
        model: the network after the last batch, in ``eval()`` mode.
        history: losses and images by epoch.
        folder: where the run's files lie.
        stopped: whether it was interrupted before its last epoch; ``resume`` goes on.
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
