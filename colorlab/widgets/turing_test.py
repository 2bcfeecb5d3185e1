"""The color Turing test: two images are shown briefly; which one has its true colors?

After Zhang, Isola and Efros (arXiv:1603.08511, section 3.1): a photograph and its colorization, 256 pixels large, are
shown for one second each. The time to answer is unlimited, and the user is not told whether the answer was right.
Every tenth pair is an easy check, in the paper against random colors, here against gray. Two things differ from the
paper: the question is which one is real (there: which one is fake), and there are no practice pairs.

:mod:`colorlab.widgets.trials` chooses the pairs and evaluates the answers, :class:`TuringTest` is the widget. A CSS
animation shows and hides the images. Browsers restart animations when the user returns to a page, so the kernel
removes the images as well, a little later. Used in notebook ``11_comparing_models``.
"""

from __future__ import annotations

import html
import json
import threading
from collections.abc import Mapping, Sequence
from time import monotonic

import ipywidgets
import pandas as pd
from PIL import Image
from torch import Tensor

from colorlab import pretrained
from colorlab.data import ImageDataset
from colorlab.evaluation import gray
from colorlab.inference import Painter, network_of
from colorlab.widgets.base import StatusBox, row, save_controls
from colorlab.widgets.files import OwnFiles, typed_path
from colorlab.widgets.markup import image_html, table_html
from colorlab.widgets.scoring import colored_by
from colorlab.widgets.still import contact_sheet, display_with_still
from colorlab.widgets.subject import as_image
from colorlab.widgets.trials import CHECK, Trial, familiar_things, fooled, schedule

BLANK = 0.5
"""Seconds of blank screen before each image."""

GRACE = 1.0
"""Seconds that a slow page may lag before the kernel removes the images of a pair."""

COLUMNS = ("pair", "image", "label", "model", "real", "answer", "fooled", "seconds")


class TuringTest(StatusBox):
    """Test whether people can tell real from colorized images: ``TuringTest()`` as the last line of a cell.

    *Start* briefly shows the first pair, left and then right; every answer shows the next. After the last answer, a
    table shows how often each model fooled the user. *Save* writes the answers so far.

    Args:
        models: name → a network, or the name or path of weights; by default the best pretrained model.
        dataset: the true images, of any size; by default :func:`familiar_things`, crops of only five photographs,
            which users soon recognize. Many images are better:
            ``create_dataset("my/photographs", "test", size=256)``.
        pairs: number of pairs, checks included.
        seconds: how long each image is shown.
        seed: random seed for images, order and sides.

    Raises:
        ValueError: there are no models, no pairs, more pairs than images, or ``seconds`` is not above 0.
    """

    def __init__(
        self,
        models: Mapping[str, Painter] | None = None,
        dataset: ImageDataset | None = None,
        *,
        pairs: int = 20,
        seconds: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if seconds <= 0:
            raise ValueError(f"seconds must be more than 0, got {seconds:g}")
        if models is None:
            models = {pretrained.NAMES[0]: None}
        self._dataset = familiar_things() if dataset is None else dataset
        self.trials = schedule(len(self._dataset), list(models), pairs, seed)
        self._models = {name: network_of(model) for name, model in models.items()} | {CHECK: gray()}
        self._seconds, self._seed = float(seconds), seed
        self._answers: list[dict[str, object]] = []
        self._shown_at: float | None = None
        self._files = OwnFiles()
        self._hide_timer: threading.Timer | None = None
        self._make_controls()

    def __repr__(self) -> str:
        # The text/plain output of the cell, which notebook tests compare.
        return f"TuringTest(pairs={len(self.trials)}, answered={len(self._answers)})"

    def _ipython_display_(self) -> None:
        pair = zip(("left", "right"), map(as_image, self._pair(self.trials[0])), strict=True)
        display_with_still(
            self,
            contact_sheet([*pair], width=200),
            alt="Twice the same image, left and right, in different colors.",
            caption="One image of each pair is as it was photographed, the other was colored by a machine.",
        )

    @property
    def answers(self) -> pd.DataFrame:
        """Return the answers so far, one row each: pair, image, label, model, real side, answer, fooled, seconds."""
        return pd.DataFrame(self._answers, columns=list(COLUMNS))

    @property
    def look_seconds(self) -> float:
        """Return how long it takes to show a pair, in seconds."""
        return 2 * (BLANK + self._seconds)

    def _make_controls(self) -> None:
        def button(text: str, icon: str, tooltip: str) -> ipywidgets.Button:
            return ipywidgets.Button(description=text, icon=icon, tooltip=tooltip, layout={"width": "auto"})

        # Buttons are never disabled: a disabled button loses the keyboard focus.
        self.start = button("Start", "play", "Show the first pair")
        self.start.button_style = "primary"
        self.left = button("Left is real", "arrow-left", "The left image has the true colors")
        self.right = button("Right is real", "arrow-right", "The right image has the true colors")
        self.start.on_click(lambda _: self._start())
        self.left.on_click(lambda _: self._answer("left"))
        self.right.on_click(lambda _: self._answer("right"))
        self.stage, self.result = ipywidgets.HTML(stage_html([], 0, None)), ipywidgets.HTML()
        self.target, self.save = save_controls("Write the answers so far, as CSV or JSON", "Save answers")
        self.save.button_style = ""
        self.target.value = "output/turing-test.csv"
        self.save.on_click(lambda _: self._save())
        self._lay_out(
            "turing-test",
            self.status,
            row("bar", self.start),
            self.stage,
            row("pair", self.left, self.right),
            self.result,
            row("foot", self.target, self.save),
        )
        self._set_status(
            f"{len(self.trials)} pairs. You see the left image for {self._seconds:g} s, then the right one. Which "
            "one has its true colors? Press Start when you are ready."
        )

    def _pair(self, trial: Trial) -> tuple[Tensor, Tensor]:
        """Return the left and right image of a trial, ``(3, H, W)`` uint8."""
        true = self._dataset.pick([trial.image])[0][0]
        painted = colored_by(self._models[trial.model], true)
        return (true, painted) if trial.real == "left" else (painted, true)

    def _start(self) -> None:
        if self._shown_at is None:
            self._show()
        elif len(self._answers) < len(self.trials):
            self._set_status(f"Pair {len(self._answers) + 1} waits for your answer: left or right?")

    def _show(self) -> None:
        """Show the next pair, or the result after the last pair."""
        if self._hide_timer is not None:
            self._hide_timer.cancel()
        number = len(self._answers) + 1
        if number > len(self.trials):
            self.stage.value, self.result.value = "", _result_html(fooled(self.answers))
            self._set_status(f"All {len(self.trials)} pairs are answered. 50 % fooled is what guessing gives.")
            return
        pair = [as_image(rgb) for rgb in self._pair(self.trials[number - 1])]
        empty = stage_html([Image.new("RGBA", image.size) for image in pair], number, None)
        self.stage.value = stage_html(pair, number, self._seconds)
        self._shown_at = monotonic()
        self._hide_timer = threading.Timer(self.look_seconds + GRACE, self.stage.set_trait, ("value", empty))
        self._hide_timer.daemon = True
        self._hide_timer.start()
        self._set_status(f"Pair {number} of {len(self.trials)}: which one is real?")

    def _answer(self, side: str) -> None:
        number = len(self._answers)
        if self._shown_at is None:
            self._set_status("Press Start first.")
            return
        if number == len(self.trials):
            return
        seconds = monotonic() - self._shown_at
        if seconds < self.look_seconds:
            # Ignore the second click of a double click, before the user has seen the pair.
            self._set_status(f"Pair {number + 1} of {len(self.trials)}: too soon, look at both first.")
            return
        trial = self.trials[number]
        label = self._dataset.classes[int(self._dataset.labels[trial.image])]
        row = (number + 1, trial.image, label, trial.model, trial.real, side, side != trial.real, round(seconds, 3))
        self._answers.append(dict(zip(COLUMNS, row, strict=True)))
        self._show()

    def _save(self) -> None:
        with self._report_errors("Nothing was saved."):
            path = typed_path(
                self.target.value, what="the answers", example="output/turing-test.csv", kinds=(".csv", ".json")
            )
            if not self._answers:
                raise ValueError("there are no answers yet; answer a pair first")
            text = self._as_json() if path.suffix.lower() == ".json" else self.answers.to_csv(index=False)
            self._files.save({path: text.encode()})
            self._set_status(f"Saved {len(self._answers)} of {len(self.trials)} answers as {path.resolve()}.")

    def _as_json(self) -> str:
        rates = fooled(self.answers).reset_index().to_dict(orient="records")
        whole = {"seed": self._seed, "seconds_a_image": self._seconds, "pairs": len(self.trials)}
        return json.dumps({**whole, "answers": self._answers, "fooled": rates}, indent=1)


def stage_html(pair: Sequence[Image.Image], number: int, seconds: float | None) -> str:
    """Return two frames in which the images of a pair appear one after the other, and disappear.

    Args:
        pair: left and right image; empty frames if there are none.
        number: number of the pair, from 1, for screen readers.
        seconds: how long each image is visible; ``None`` hides both.
    """
    frames = []
    for i, side in enumerate(("left", "right")):
        # Hidden before and after the animation, visible during it.
        timed = "visibility:hidden"
        if seconds is not None:
            timed += f";animation:colorlab-glance {seconds:g}s linear {BLANK + i * (seconds + BLANK):g}s"
        image = image_html(pair[i], alt=f"pair {number}, {side}", caption="") if pair else ""
        frames.append(f'<div>{side}<div class="frame"><div style="{timed}">{image}</div></div></div>')
    return (
        "<style>@keyframes colorlab-glance{from,to{visibility:visible}}</style>"
        f'<div class="colorlab-pair">{"".join(frames)}</div>'
    )


def _result_html(found: pd.DataFrame) -> str:
    lines = [
        f'<th scope="row">{html.escape(str(model))}</th>'
        f"<td>{line['fooled']:.0f}</td><td>{line['n']:.0f}</td><td>{line['rate']:.0%}</td>"
        f"<td>{line['low']:.0%} … {line['high']:.0%}</td>"
        for model, line in found.iterrows()
    ]
    return table_html(("colors by", "fooled", "of", "rate", "95 % interval"), lines)
