"""The training dashboard: watch a run, review its images, stop it without losing progress.

A kernel handles buttons only while it runs no cell. The run therefore has its own thread: the cell ends at once, and
*Stop* sets the stop request that the training loop checks between batches.

Used in notebooks ``03_resnet`` and ``05_conditional_gan``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import html
import io
import threading
import time

import ipywidgets
import pandas as pd
import torch
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torchvision.utils import make_grid

from colorlab import color, plots
from colorlab.models import name_of
from colorlab.training import History, Progress, StopRequest, Training, TrainingOptions, train
from colorlab.widgets.base import SHOWN_ERRORS, StatusBox, row, slider
from colorlab.widgets.markup import image_html, sentence

POINTS = 400
"""Points of the batch curve; in a longer run each is a mean over several batches."""

_KINDS = {"train": "training", "val": "validation"}
_SHEET_WIDTH = 700
_DRAWING_SHARE = 0.1  # largest fraction of a run's time spent on drawing curves


class BatchMeans:
    """Average the statistics of batches over :data:`POINTS` equal parts of a run."""

    def __init__(self) -> None:
        self._sums: dict[int, tuple[int, dict[str, float]]] = {}

    def add(self, progress: Progress) -> None:
        """Add a batch."""
        part = POINTS * progress.seen // max(1, progress.total)
        count, sums = self._sums.get(part, (0, {}))
        sums = {name: sums.get(name, 0.0) + value for name, value in progress.statistics.items()}
        self._sums[part] = count + 1, sums

    def table(self, epochs: int) -> pd.DataFrame:
        """Return the means, indexed by the time in epochs, for a run of ``epochs`` epochs."""
        rows = [{name: value / count for name, value in sums.items()} for count, sums in self._sums.values()]
        return pd.DataFrame(rows, index=[part * epochs / POINTS for part in self._sums])


def sheet(history: History, epoch: int, *, step: int = 1) -> Image.Image:
    """Return every ``step``-th of the watched images in three rows: gray, as colored after an epoch, true.

    Raises:
        ValueError: the history holds no images.
    """
    if history.truth is None or not history.images:
        raise ValueError("this history holds no images; train with max_images above 0")
    truth = history.truth[::step]
    gray = color.to_uint8(color.lab_to_rgb(color.rgb_to_lab(truth) * torch.tensor([1.0, 0, 0]).view(3, 1, 1)))
    rows: Tensor = make_grid(torch.cat([gray, history.images[epoch][::step], truth]), nrow=len(truth))
    small = Image.fromarray(rows.movedim(0, -1).numpy())
    factor = max(1, _SHEET_WIDTH // small.width)
    return small.resize((small.width * factor, small.height * factor), Image.Resampling.NEAREST)


def duration(seconds: float) -> str:
    """Return an estimated time as text: ``40 s``, ``3 min``, ``2 h 10 min``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def curves_html(figure: Figure, *, alt: str) -> str:
    """Return curves as an SVG whose text and axes have the page's text color, for light and dark pages.

    Args:
        figure: a figure of :mod:`colorlab.plots`, black on white, with curves that are visible on both.
        alt: text alternative.
    """
    figure.set_facecolor("none")
    for axis in figure.axes:
        axis.set_facecolor("none")
    drawn = io.StringIO()
    with rc_context({"svg.fonttype": "none"}):
        figure.savefig(drawn, format="svg")
    # Keep only the drawing; replace black, and limit the style sheet to this figure.
    drawing = drawn.getvalue().partition("</metadata>")[2]
    drawing = drawing.replace("#000000", "currentColor").replace("*{", ".colorlab-curves *{")
    width, height = (72 * inches for inches in figure.get_size_inches())
    return (
        "<figure><figcaption>Faint: batches. Dots: means of epochs."
        f'</figcaption><svg class="colorlab-curves" role="img" aria-label="{html.escape(alt)}" fill="currentColor" '
        f'viewBox="0 0 {width:g} {height:g}" style="display:block;width:100%;height:auto">{drawing}</figure>'
    )


class TrainingDashboard(StatusBox):
    """Train in a notebook and watch: ``TrainingDashboard(options)`` as the last line of a cell, then *Train*.

    The run has its own thread, so other cells can run meanwhile (if they draw from torch's global random generator,
    the run is no longer reproducible). *Stop* ends the run after the current batch and keeps the result in
    :attr:`training`; *Go on* continues as if there had been no stop. A run in the options' folder is resumed, never
    overwritten.

    Args:
        options: options of the run.
        history: history of an earlier run, shown until this run has results.

    Attributes:
        training: the result of :func:`colorlab.training.train`, after the run has ended or stopped.
        running: whether training is in progress.
    """

    def __init__(self, options: TrainingOptions | None = None, *, history: History | None = None) -> None:
        super().__init__()
        self.options = options or TrainingOptions()
        self.training: Training | None = None
        self._history = history or History()
        self._batches = BatchMeans()
        self._stop_request = StopRequest()
        self.running = False
        self._began: tuple[float, int] | None = None
        self._next_update = 0.0
        self._make_controls()
        self._on_epoch(self._history)
        self._set_status("Ready." if history is None else "Ready; what is shown is an earlier run.")

    def __repr__(self) -> str:
        # The text/plain output of the cell, which notebook tests compare.
        return f"TrainingDashboard({name_of(self.options.model_name)!r}, max_epochs={self.options.max_epochs})"

    def _ipython_display_(self) -> None:
        history, epochs = self._history, len(self._history.rows)
        still = sheet(history, len(history.images) - 1, step=2) if history.images else None
        plots.show_widget(
            self,
            plots.training(history, self._table(), sheet=still),
            alt="The dashboard: losses by epoch, and below them validation images in gray, as colored, and true.",
            caption=f"The dashboard as it opened, after {epochs} {'epoch' if epochs == 1 else 'epochs'}: losses, and "
            "some of the validation images: input, colored, true.",
        )

    def _make_controls(self) -> None:
        self.start = ipywidgets.Button(
            description="Train",
            icon="play",
            tooltip="Start or go on",
            button_style="primary",
            layout={"width": "110px"},
        )
        self.halt = ipywidgets.Button(
            description="Stop",
            icon="stop",
            tooltip="Stop after this batch, and keep what was learned",
            disabled=True,
            layout={"width": "110px"},
        )
        self.bar = ipywidgets.FloatProgress(max=1.0, layout={"flex": "1 1 160px", "max_width": "300px"})
        self.pace, self.left = ipywidgets.HTML(), ipywidgets.HTML()
        self.curves = ipywidgets.HTML(layout={"max_width": "800px"})
        self.epoch, self.epoch_number = slider("Epoch", kind="Int", max=0)
        self.images = ipywidgets.HTML(layout={"max_width": "800px"})
        self.epoch.observe(self._draw_images, "value")
        self.start.on_click(lambda _: self.run())
        self.halt.on_click(lambda _: self.stop())
        self._lay_out(
            "training-dashboard",
            row("bar", self.start, self.halt, self.bar, self.pace, self.left),
            self.status,
            self.curves,
            ipywidgets.HBox([self.epoch, self.epoch_number]),
            self.images,
        )

    def run(self, *, wait: bool = False) -> None:
        """Train, or resume a stopped run.

        Args:
            wait: train in this thread and return when the run has ended. Buttons do not work meanwhile, but an
                interrupt stops the run like *Stop*; errors are raised as well as shown.

        Raises:
            RuntimeError: training is in progress already.
        """
        if self.running:
            raise RuntimeError("this dashboard is training already; stop() it first")
        self.running, self._stop_request, self._began, self._next_update = True, StopRequest(), None, 0.0
        self.start.disabled, self.halt.disabled = True, False
        self._set_status("Reading the images …")
        if wait:
            self._train()
        else:
            threading.Thread(target=self._train_in_thread, name="colorlab training", daemon=True).start()

    def stop(self) -> None:
        """Stop after the current batch; :attr:`training` then holds the result."""
        if self.running:
            self._stop_request.made = True
            self.halt.disabled = True
            self._set_status("Stopping after this batch …")

    def _train_in_thread(self) -> None:
        """Call :meth:`_train` in a thread; errors are only shown in the status line."""
        with contextlib.suppress(*SHOWN_ERRORS):
            self._train()

    def _train(self) -> None:
        options = self.options
        try:
            resume = options.resume or (options.folder / "checkpoint.pt").exists()
            self.training = train(
                dataclasses.replace(options, resume=resume),
                on_epoch=self._on_epoch,
                on_batch=self._on_batch,
                stop=self._stop_request,
            )
            self._on_epoch(self.training.history)
            self._report_end(self.training)
        except SHOWN_ERRORS as error:
            self._set_status(sentence(error))
            raise
        finally:
            self.running = False
            self.left.value = ""
            finished = self.training is not None and not self.training.stopped
            self.start.disabled, self.halt.disabled = finished, True

    def _report_end(self, training: Training) -> None:
        epochs = self.options.max_epochs
        if training.stopped:
            self.start.description = "Go on"
            where = f"in epoch {len(training.history.rows)} of {epochs}"
            self._set_status(f"Stopped {where}. What was learned is kept in .training and on disk; Go on continues.")
        else:
            self.bar.value = 1.0
            self._set_status(f"Finished all {epochs} epochs. What was learned is in .training and on disk.")

    def _on_batch(self, progress: Progress) -> None:
        self._batches.add(progress)
        now = time.perf_counter()
        if self._began is None:
            self._began = now, progress.seen
            self._show(progress.history)
            if not self._stop_request.made:
                self._set_status("Training …")
        if now < self._next_update:
            return
        began, seen = self._began
        self.bar.value = progress.seen / progress.total
        self.pace.value = f"epoch {progress.epoch} of {self.options.max_epochs}"
        if progress.seen > seen:
            speed = (progress.seen - seen) / (now - began)
            self.pace.value += f", {speed:.0f} images/s"
            self.left.value = f"about {duration((progress.total - progress.seen) / speed)} left"
        self._draw_curves()
        self._next_update = now + (time.perf_counter() - now) / _DRAWING_SHARE

    def _on_epoch(self, history: History) -> None:
        self._show(history)
        self._draw_curves()

    def _show(self, history: History) -> None:
        """Show a history; the slider stays on the last epoch if it was there."""
        follow = self.epoch.value == self.epoch.max
        self._history = history
        last = max(0, len(history.images) - 1)
        self.epoch.max = last
        self.epoch_number.max = last
        if follow:
            self.epoch.value = last
        self._draw_images()

    def _draw_images(self, _: object = None) -> None:
        epoch = int(self.epoch.value)
        # While the history changes, the slider may briefly be beyond its end.
        if epoch >= len(self._history.images):
            return
        when = f"After epoch {epoch}" if epoch else "Before training"
        self.images.value = image_html(
            sheet(self._history, epoch),
            alt=f"Validation images in three rows: input, colored, true. {when}.",
            caption=f"{when}: input, colored, true",
        )

    def _table(self) -> pd.DataFrame:
        return self._batches.table(self.options.max_epochs)

    def _draw_curves(self) -> None:
        latest = self._history.rows[-1] if self._history.rows else {}
        numbers = [f"{name} {latest[f'{kind}_loss']:.4f}" for kind, name in _KINDS.items() if latest]
        self.curves.value = curves_html(
            plots.training(self._history, self._table()),
            alt="Losses by epoch. " + (f"The last: {', '.join(numbers)}." if numbers else "No epoch has ended yet."),
        )
