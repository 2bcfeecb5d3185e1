"""The colour Turing test: two pictures for a moment, one of them with its true colours; which one?

After Zhang, Isola and Efros (arXiv:1603.08511, section 3.1): a photograph and its colorization, 256 pixels large, are
shown for one second each, then there is unlimited time to answer, and nobody is told whether the answer was right.
Every tenth pair is one that nobody should get wrong, there against random colours, here against grey. Different here:
the question is which one is real (there, which one is fake), and there are no practice pairs.

:func:`schedule` is the order, :func:`fooled` the result, :class:`TuringTest` asks. The pictures are hidden by the
page's own clock (an animation in CSS), so that no code waits. Used in notebook ``10_comparing_models``.
"""

from __future__ import annotations

import html
import json
import os
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import ipywidgets
import pandas as pd
from PIL import Image
from torch import Tensor

from colorlab import plots, pretrained
from colorlab.data import PictureDataset, create_dataset
from colorlab.evaluation import grey, wilson
from colorlab.models import Colorizer
from colorlab.widgets.markup import picture_html, sentence, status_html
from colorlab.widgets.model_comparison import as_image, coloured_by

SIZE = 256
"""Side of the pictures in pixels, as in the paper."""

BLANK = 0.5
"""Seconds before each picture in which there is nothing to see."""

UNFAMILIAR = frozenset({"galaxies", "retina", "tissue"})
"""Classes of `placeholder` whose true colours most people have never seen, or that have none but a dye's."""

CHECK = "grey (check)"
"""What those pairs are called that only check whether somebody looks."""

CHECK_EVERY = 10
"""One pair of so many is a check, as in the paper."""

COLUMNS = ("pair", "picture", "label", "model", "real", "answer", "fooled", "seconds")


class Trial(NamedTuple):
    """A pair.

    Attributes:
        picture: its index in the data set.
        model: whose colours are shown beside the true ones.
        real: the side on which these are, ``left`` or ``right``.
    """

    picture: int
    model: str
    real: str


def schedule(pictures: int, models: Sequence[str], pairs: int, seed: int) -> tuple[Trial, ...]:
    """The pairs in their order, a function of the arguments alone.

    Args:
        pictures: how many there are; none is shown twice.
        models: each has its turn equally often, up to one pair.
        pairs: 1…``pictures``, checks included.
        seed: decides about pictures, order and sides.

    Raises:
        ValueError: no models, no pairs, or more pairs than pictures.
    """
    if not models:
        raise ValueError("models is empty; give at least one colorizer")
    if not 1 <= pairs <= pictures:
        raise ValueError(f"pairs must be in 1…{pictures}, the number of pictures, got {pairs}")
    draw = random.Random(seed)  # nothing secret hangs on this chance
    checks = pairs // CHECK_EVERY
    rivals = [CHECK] * checks + [models[i % len(models)] for i in range(pairs - checks)]
    draw.shuffle(rivals)
    chosen = draw.sample(range(pictures), pairs)
    return tuple(Trial(i, model, draw.choice(("left", "right"))) for i, model in zip(chosen, rivals, strict=True))


def familiar_things() -> PictureDataset:
    """The test pictures of `placeholder`, :data:`SIZE` pixels large, that show what people know the colours of."""
    every = create_dataset("placeholder", "test", size=SIZE)
    known = [i for i, label in enumerate(every.labels.tolist()) if every.classes[label] not in UNFAMILIAR]
    return PictureDataset(*every.pick(known), every.classes)


def fooled(answers: pd.DataFrame) -> pd.DataFrame:
    """How often each model's colours were taken for the true ones.

    Args:
        answers: with the columns ``model`` and ``fooled``.

    Returns:
        Indexed by ``model``: ``fooled``, ``n`` pairs, ``rate`` and the ends of its 95 % interval after Wilson,
        ``low`` and ``high``. A rate of 0.5 is what guessing gives, with colours that cannot be told from true ones.
    """
    rows = {}
    for model, values in answers.groupby("model", sort=False)["fooled"]:
        successes, n = int(values.sum()), len(values)
        rate, low, high = wilson(successes, n)
        rows[model] = {"fooled": successes, "n": n, "rate": rate, "low": low, "high": high}
    found = pd.DataFrame.from_dict(rows, orient="index", columns=["fooled", "n", "rate", "low", "high"])
    return found.rename_axis("model")


def answers_path(text: str) -> Path:
    """Where to write answers, from what somebody typed; ``.csv`` is added where there is no ending.

    Raises:
        ValueError: nothing typed, a folder, or another ending than ``.csv`` or ``.json``.
    """
    if not text.strip():
        raise ValueError("give the file a name, such as output/turing-test.csv")
    path = Path(text.strip()).expanduser()
    if path.is_dir() or text.strip().endswith(("/", os.sep)):
        raise ValueError(f"{path} is a folder; add a file name, such as {path / 'turing-test.csv'}")
    if not path.suffix:
        return path.with_name(path.name + ".csv")
    if path.suffix.lower() not in {".csv", ".json"}:
        raise ValueError(f"answers are saved as CSV or JSON; name it {path.with_suffix('.csv')}")
    return path


class TuringTest(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Real or colorized? ``TuringTest()`` as the last line of a cell.

    *Start* shows the first pair, left and then right, for a moment each; every answer shows the next. After the last
    one a table says how often each model fooled the person. *Save* writes the answers so far.

    Args:
        models: name → colorizer; by default the best that ships.
        dataset: the true pictures, of any size; by default :func:`familiar_things`, which are parts of only five
            photographs, so that one soon knows them. Better are many:
            ``create_dataset("my/photographs", "test", size=256)``.
        pairs: how many, checks included.
        seconds: how long each picture is shown.
        seed: of the order.

    Raises:
        ValueError: no models, no more than 0 seconds, no pairs, or more pairs than pictures.
    """

    def __init__(
        self,
        models: Mapping[str, Colorizer] | None = None,
        dataset: PictureDataset | None = None,
        *,
        pairs: int = 20,
        seconds: float = 1.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if seconds <= 0:
            raise ValueError(f"seconds must be more than 0, got {seconds:g}")
        if models is None:
            models = {pretrained.NAMES[0]: pretrained.load()}
        self._dataset = familiar_things() if dataset is None else dataset
        self.trials = schedule(len(self._dataset), list(models), pairs, seed)
        self._models = {**models, CHECK: grey()}
        self._seconds, self._seed = float(seconds), seed
        self._answers: list[dict[str, object]] = []
        self._shown_at: float | None = None
        self._written: set[Path] = set()
        self._make_controls()

    def __repr__(self) -> str:
        # text/plain of the cell, which tests of notebooks compare.
        return f"TuringTest(pairs={len(self.trials)}, answered={len(self._answers)})"

    def _ipython_display_(self) -> None:
        plots.show_widget(
            self,
            plots.pictures({"": self._pair(self.trials[0])}, titles=["left", "right"], width=1.4),
            alt="Twice the same picture, left and right, in different colours.",
            caption="One picture of each pair is as it was photographed, the other was coloured by a machine.",
        )

    @property
    def answers(self) -> pd.DataFrame:
        """The answers so far, a row each: pair, picture, label, model, the real side, the answer, fooled, seconds."""
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
        self.left = button("Left is real", "arrow-left", "The left picture has the true colours")
        self.right = button("Right is real", "arrow-right", "The right picture has the true colours")
        self.start.on_click(lambda _: self._start())
        self.left.on_click(lambda _: self._answer("left"))
        self.right.on_click(lambda _: self._answer("right"))
        self.stage = ipywidgets.HTML(layout={"width": "auto", "margin": "4px 2px"})
        self.result = ipywidgets.HTML(layout={"width": "auto"})
        self.status = ipywidgets.HTML(layout={"width": "auto"})
        self.target = ipywidgets.Text(
            value="output/turing-test.csv",
            description="Save as",
            style={"description_width": "auto"},
            layout={"flex": "1 1 240px", "max_width": "460px"},
        )
        self.save = button("Save answers", "save", "Write the answers so far, as CSV or JSON")
        self.save.on_click(lambda _: self._save())
        wrapped = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "0 12px"}
        self.children = (
            self.status,
            self.stage,
            ipywidgets.HBox([self.start, self.left, self.right], layout=wrapped),
            self.result,
            ipywidgets.HBox([self.target, self.save], layout=wrapped),
        )
        self.add_class("colorlab-turing-test")
        self._say(
            f"{len(self.trials)} pairs. You see the left picture for {self._seconds:g} s, then the right one. Which "
            "of them has the colours that were photographed? Press Start when you are ready."
        )

    def _pair(self, trial: Trial) -> tuple[Tensor, Tensor]:
        """The pictures of a trial, left and right, ``(3, H, W)`` uint8."""
        true = self._dataset.pick([trial.picture])[0][0]
        painted = coloured_by(self._models[trial.model], true)
        return (true, painted) if trial.real == "left" else (painted, true)

    def _start(self) -> None:
        if self._shown_at is None:
            self._show()
        elif len(self._answers) < len(self.trials):
            self._say(f"Pair {len(self._answers) + 1} waits for your answer: left or right?")

    def _show(self) -> None:
        """The next pair, or after the last one the result."""
        number = len(self._answers) + 1
        if number > len(self.trials):
            self.stage.value, self.result.value = "", _result_html(fooled(self.answers))
            self._say(f"All {len(self.trials)} pairs are answered. 50 % fooled is what guessing gives.")
            return
        pictures = self._pair(self.trials[number - 1])
        self.stage.value = stage_html([as_image(rgb) for rgb in pictures], number, self._seconds)
        self._shown_at = monotonic()
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
        label = self._dataset.classes[int(self._dataset.labels[trial.picture])]
        row = (number + 1, trial.picture, label, trial.model, trial.real, side, side != trial.real, round(seconds, 3))
        self._answers.append(dict(zip(COLUMNS, row, strict=True)))
        self._show()

    def _save(self) -> None:
        try:
            path = answers_path(self.target.value)
            self._write(path)
        except (ValueError, OSError) as error:
            self._say(f"{sentence(error)} Nothing was saved.")
        else:
            self._say(f"Saved {len(self._answers)} of {len(self.trials)} answers as {path.resolve()}.")

    def _write(self, path: Path) -> None:
        """To a file that is whole or not there, and never over one that is somebody else's."""
        if not self._answers:
            raise ValueError("there are no answers yet")
        if path.exists() and path.resolve() not in self._written:
            raise ValueError(f"{path} exists already and was not saved from here; choose another name")
        if path.suffix.lower() == ".json":
            rates = fooled(self.answers).reset_index().to_dict(orient="records")
            whole = {"seed": self._seed, "seconds_a_picture": self._seconds, "pairs": len(self.trials)}
            text = json.dumps({**whole, "answers": self._answers, "fooled": rates}, indent=1)
        else:
            text = self.answers.to_csv(index=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + ".part")
        try:
            unfinished.write_text(text, encoding="utf-8")
            os.replace(unfinished, path)
        finally:
            unfinished.unlink(missing_ok=True)
        self._written.add(path.resolve())

    def _say(self, text: str) -> None:
        self.status.value = status_html(text)


def stage_html(pair: Sequence[Image.Image], number: int, seconds: float) -> str:
    """Two frames in which the pictures of a pair appear one after the other, and disappear.

    Args:
        pair: left and right.
        number: of the pair, from 1; said by screen readers.
        seconds: how long each is to be seen.
    """
    frames = []
    for i, (side, image) in enumerate(zip(("left", "right"), pair, strict=True)):
        delay = BLANK + i * (seconds + BLANK)
        # Hidden before and after the animation, visible during it.
        timed = f"visibility:hidden;animation:colorlab-glance {seconds:g}s linear {delay:g}s"
        picture = picture_html(image, alt=f"pair {number}, {side}", caption="")
        frames.append(
            f'<div style="flex:0 1 {SIZE}px"><div style="line-height:1.6">{side}</div>'
            f'<div style="border:1px solid"><div style="{timed}">{picture}</div></div></div>'
        )
    return (
        "<style>@keyframes colorlab-glance{from,to{visibility:visible}}</style>"
        f'<div style="display:flex;gap:16px">{"".join(frames)}</div>'
    )


def _result_html(found: pd.DataFrame) -> str:
    heads = "".join(
        f'<th scope="col">{head}</th>' for head in ("colours by", "fooled", "of", "rate", "95 % interval")
    )
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
