"""The color Turing test: two images for a moment, one of them with its true colors; which one?

After Zhang, Isola and Efros (arXiv:1603.08511, section 3.1): a photograph and its colorization, 256 pixels large, are
shown for one second each, then there is unlimited time to answer, and nobody is told whether the answer was right.
Every tenth pair is one that nobody should get wrong, there against random colors, here against gray. Different here:
the question is which one is real (there, which one is fake), and there are no practice pairs.

:mod:`colorlab.widgets.trials` has the order and the result, :class:`TuringTest` asks. The images are shown and
hidden by the page's own clock, an animation in CSS. A page that is left and looked at again begins its animations
again; so the kernel takes the images away as well, a little later. Used in notebook ``10_comparing_models``.
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
from colorlab.widgets.base import NARROW, WRAPPED, StatusBox
from colorlab.widgets.files import OwnFiles, typed_path
from colorlab.widgets.markup import image_html
from colorlab.widgets.scoring import colored_by
from colorlab.widgets.still import contact_sheet, display_with_still
from colorlab.widgets.subject import as_image
from colorlab.widgets.trials import CHECK, SIZE, Trial, familiar_things, fooled, schedule

BLANK = 0.5
"""Seconds before each image in which there is nothing to see."""

GRACE = 1.0
"""Seconds by which a slow page may lag behind, before the images of a pair are taken away."""

COLUMNS = ("pair", "image", "label", "model", "real", "answer", "fooled", "seconds")


class TuringTest(StatusBox):
    """Real or colorized? ``TuringTest()`` as the last line of a cell.

    *Start* shows the first pair, left and then right, for a moment each; every answer shows the next. After the last
    one a table says how often each model fooled the person. *Save* writes the answers so far.

    Args:
        models: name → a network, or the name or path of weights; by default the best that ships.
        dataset: the true images, of any size; by default :func:`familiar_things`, which are parts of only five
            photographs, so that one soon knows them. Better are many:
            ``create_dataset("my/photographs", "test", size=256)``.
        pairs: how many, checks included.
        seconds: how long each image is shown.
        seed: of the order.

    Raises:
        ValueError: no models, no more than 0 seconds, no pairs, or more pairs than images.
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
        self._taken_away: threading.Timer | None = None
        self._make_controls()

    def __repr__(self) -> str:
        # text/plain of the cell, which tests of notebooks compare.
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
        """The answers so far, a row each: pair, image, label, model, the real side, the answer, fooled, seconds."""
        return pd.DataFrame(self._answers, columns=list(COLUMNS))

    @property
    def look_seconds(self) -> float:
        """How long a pair takes to be seen."""
        return 2 * (BLANK + self._seconds)

    def _make_controls(self) -> None:
        def button(text: str, icon: str, tooltip: str) -> ipywidgets.Button:
            return ipywidgets.Button(description=text, icon=icon, tooltip=tooltip, layout={"width": "150px"})

        # No button is ever disabled: a disabled one loses the keyboard's focus.
        self.start = button("Start", "play", "Show the first pair")
        self.left = button("Left is real", "arrow-left", "The left image has the true colors")
        self.right = button("Right is real", "arrow-right", "The right image has the true colors")
        self.start.on_click(lambda _: self._start())
        self.left.on_click(lambda _: self._answer("left"))
        self.right.on_click(lambda _: self._answer("right"))
        self.stage = ipywidgets.HTML(layout={"width": "auto", "margin": "4px 2px"})
        self.result = ipywidgets.HTML(layout={"width": "auto"})
        self.target = ipywidgets.Text(
            value="output/turing-test.csv",
            description="Save as",
            style=NARROW,
            layout={"flex": "1 1 240px", "max_width": "460px"},
        )
        self.save = button("Save answers", "save", "Write the answers so far, as CSV or JSON")
        self.save.on_click(lambda _: self._save())
        self.children = (
            self.status,
            self.stage,
            ipywidgets.HBox([self.start, self.left, self.right], layout=WRAPPED),
            self.result,
            ipywidgets.HBox([self.target, self.save], layout=WRAPPED),
        )
        self.add_class("colorlab-turing-test")
        self._say(
            f"{len(self.trials)} pairs. You see the left image for {self._seconds:g} s, then the right one. Which "
            "of them has the colors that were photographed? Press Start when you are ready."
        )

    def _pair(self, trial: Trial) -> tuple[Tensor, Tensor]:
        """The images of a trial, left and right, ``(3, H, W)`` uint8."""
        true = self._dataset.pick([trial.image])[0][0]
        painted = colored_by(self._models[trial.model], true)
        return (true, painted) if trial.real == "left" else (painted, true)

    def _start(self) -> None:
        if self._shown_at is None:
            self._show()
        elif len(self._answers) < len(self.trials):
            self._say(f"Pair {len(self._answers) + 1} waits for your answer: left or right?")

    def _show(self) -> None:
        """The next pair, or after the last one the result."""
        if self._taken_away is not None:
            self._taken_away.cancel()
        number = len(self._answers) + 1
        if number > len(self.trials):
            self.stage.value, self.result.value = "", _result_html(fooled(self.answers))
            self._say(f"All {len(self.trials)} pairs are answered. 50 % fooled is what guessing gives.")
            return
        pair = [as_image(rgb) for rgb in self._pair(self.trials[number - 1])]
        empty = stage_html([Image.new("RGBA", image.size) for image in pair], number, None)
        self.stage.value = stage_html(pair, number, self._seconds)
        self._shown_at = monotonic()
        self._taken_away = threading.Timer(self.look_seconds + GRACE, self.stage.set_trait, ("value", empty))
        self._taken_away.daemon = True  # nobody waits for it to end
        self._taken_away.start()
        self._say(f"Pair {number} of {len(self.trials)}: which one is real?")

    def _answer(self, side: str) -> None:
        number = len(self._answers)
        if self._shown_at is None:
            self._say("Press Start first.")
            return
        if number == len(self.trials):
            return
        seconds = monotonic() - self._shown_at
        if seconds < self.look_seconds:
            # Above all the second half of a double click, which would answer a pair that nobody has seen.
            self._say(f"Pair {number + 1} of {len(self.trials)}: too soon, look at both first.")
            return
        trial = self.trials[number]
        label = self._dataset.classes[int(self._dataset.labels[trial.image])]
        row = (number + 1, trial.image, label, trial.model, trial.real, side, side != trial.real, round(seconds, 3))
        self._answers.append(dict(zip(COLUMNS, row, strict=True)))
        self._show()

    def _save(self) -> None:
        with self._told("Nothing was saved."):
            path = typed_path(
                self.target.value, what="the answers", example="output/turing-test.csv", kinds=(".csv", ".json")
            )
            if not self._answers:
                raise ValueError("there are no answers yet")
            text = self._as_json() if path.suffix.lower() == ".json" else self.answers.to_csv(index=False)
            self._files.save({path: text.encode()})
            self._say(f"Saved {len(self._answers)} of {len(self.trials)} answers as {path.resolve()}.")

    def _as_json(self) -> str:
        rates = fooled(self.answers).reset_index().to_dict(orient="records")
        whole = {"seed": self._seed, "seconds_a_image": self._seconds, "pairs": len(self.trials)}
        return json.dumps({**whole, "answers": self._answers, "fooled": rates}, indent=1)


def stage_html(pair: Sequence[Image.Image], number: int, seconds: float | None) -> str:
    """Two frames in which the images of a pair appear one after the other, and disappear.

    Args:
        pair: left and right.
        number: of the pair, from 1; said by screen readers.
        seconds: how long each is to be seen; ``None`` leaves both hidden.
    """
    frames = []
    for i, (side, shown) in enumerate(zip(("left", "right"), pair, strict=True)):
        # Hidden before and after the animation, visible during it.
        timed = "visibility:hidden"
        if seconds is not None:
            timed += f";animation:colorlab-glance {seconds:g}s linear {BLANK + i * (seconds + BLANK):g}s"
        image = image_html(shown, alt=f"pair {number}, {side}", caption="")
        frames.append(
            f'<div style="flex:0 1 {SIZE}px"><div style="line-height:1.6">{side}</div>'
            f'<div style="border:1px solid"><div style="{timed}">{image}</div></div></div>'
        )
    return (
        "<style>@keyframes colorlab-glance{from,to{visibility:visible}}</style>"
        f'<div style="display:flex;gap:16px">{"".join(frames)}</div>'
    )


def _result_html(found: pd.DataFrame) -> str:
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("colors by", "fooled", "of", "rate", "95 % interval"))
    rows = "".join(
        f'<tr><th scope="row" style="text-align:left;font-weight:normal">{html.escape(str(model))}</th>'
        f"<td>{row['fooled']:.0f}</td><td>{row['n']:.0f}</td><td>{row['rate']:.0%}</td>"
        f"<td>{row['low']:.0%} … {row['high']:.0%}</td></tr>"
        for model, row in found.iterrows()
    )
    return (
        '<table style="border-spacing:12px 2px;border-collapse:separate;line-height:1.5;text-align:right">'
        f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    )
