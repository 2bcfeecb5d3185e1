"""The metric trap: rank six colorizations of one photograph by eye, then see how the scores rank them.

The six are chosen to mislead scores: some look good but score badly, some the reverse. :func:`six` makes them,
:func:`agreement` compares rankings, and :class:`MetricTrap` is the widget. Used in notebook ``11_comparing_models``.
"""

from __future__ import annotations

import html
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import ipywidgets
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from colorlab import color
from colorlab.data.samples import SAMPLES
from colorlab.evaluation import PerceptualDistance
from colorlab.evaluation.leaderboard import heading, reading
from colorlab.image import read_image
from colorlab.inference import Painter, network_of, predict_ab, render
from colorlab.models import Colorizer
from colorlab.widgets.base import StatusBox, row, sample
from colorlab.widgets.markup import image_html, table_html
from colorlab.widgets.scoring import reduced, scored
from colorlab.widgets.still import contact_sheet, display_with_still
from colorlab.widgets.subject import as_image, as_tensor

PALE = 0.4
"""Factor on the true chroma in the pale image."""

TURN = 40
"""Rotation of the true hues in degrees."""

SHIFT = 0.06
"""Displacement of the true colors, as a fraction of the longer side."""

LETTERS = "ABCDEF"


def six(rgb: Tensor, model: Colorizer) -> dict[str, Tensor]:
    """Return six colorizations of an image, all with its lightness.

    Args:
        rgb: the original, ``(3, H, W)`` uint8.
        model: the colorizer of one of them.

    Returns:
        Description → ``(3, H, W)`` uint8.
    """
    lab = color.rgb_to_lab(rgb)
    lightness, true = lab[0], lab[1:]
    turn = math.radians(TURN)
    turned = torch.stack(
        [math.cos(turn) * true[0] - math.sin(turn) * true[1], math.sin(turn) * true[0] + math.cos(turn) * true[1]]
    )
    pixels = round(SHIFT * max(lightness.shape))
    displaced = F.pad(true[None], (pixels, 0, 0, 0), mode="replicate")[0, :, :, : lightness.shape[1]]
    colors = {
        "no color": torch.zeros_like(true),
        "one color, the mean of the true ones": true.mean(dim=(1, 2), keepdim=True),
        "a network's colors": predict_ab(lightness, model),
        "the true colors, paler": PALE * true,
        f"the true colors, hues turned by {TURN}°": turned,
        f"the true colors, {pixels} pixels to the right": displaced,
    }
    return {name: as_tensor(render(lightness, ab)) for name, ab in colors.items()}


def agreement(ranking: Sequence[str], table: pd.DataFrame) -> pd.DataFrame:
    """Return the ranks by each score, and their agreement with a person's ranking.

    Args:
        ranking: the row names of ``table``, best first.
        table: a row for each image and a column for each score.

    Returns:
        A row for each score, the highest agreement first: the rank of each image by that score (1 is best, ties
        share the better rank), and ``tau``, Kendall's τ-b between the two rankings, in -1…1, or NaN if all scores
        are equal.

    Raises:
        ValueError: the ranking does not contain each row once.

    Source: Kendall 1938, doi:10.1093/biomet/30.1-2.81; computed by SciPy.
    """
    from scipy.stats import kendalltau

    if sorted(ranking) != sorted(table.index):
        raise ValueError(f"ranking must hold each of {', '.join(map(str, table.index))} once, got {list(ranking)}")
    given = [ranking.index(name) for name in table.index]
    rows = {}
    for score in table.columns:
        ranks = table[score].rank(method="min", ascending=reading(score)[2] == "lower").astype(int)
        rows[score] = {**ranks.to_dict(), "tau": float(kendalltau(given, ranks).statistic)}
    return pd.DataFrame.from_dict(rows, orient="index").sort_values("tau", ascending=False, kind="stable")


class MetricTrap(StatusBox):
    """Rank by eye, then compare with the scores: ``MetricTrap()`` as the last line of a cell.

    The widget shows six colorizations without names and without the original. The user presses the buttons from best
    to worst; a second press cancels a choice. *Compare with the scores* ends the ranking and shows what each image
    is, the original, the ranks by each score, and Kendall's τ between these and the user's ranking.

    Args:
        image: the name of a sample (:data:`colorlab.data.samples.SAMPLES`) or the path of an image file.
        model: the colorizer of one of the six; by default the best pretrained one.
        perceptual: adds its perceptual distance to the scores.
        seed: random seed for the order of the six.

    Raises:
        ValueError: the image cannot be read or is too small for the scores.
    """

    def __init__(
        self,
        image: str | Path = "astronaut",
        model: Painter = None,
        *,
        perceptual: PerceptualDistance | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self._name = str(image) if image in SAMPLES else Path(image).name
        source = sample(self._name) if image in SAMPLES else read_image(Path(image))
        self._original = reduced(source, str(image))
        made = six(self._original, network_of(model))
        shuffled = random.Random(seed).sample(list(made), len(made))
        self._what = dict(zip(LETTERS, shuffled, strict=True))
        self._results = {letter: made[what] for letter, what in self._what.items()}
        self._table = scored(self._original, self._results, perceptual)
        self._ranking: list[str] = []
        self._revealed = False
        self._make_controls()
        self._caption({letter: letter for letter in LETTERS})
        self._draw()

    def __repr__(self) -> str:
        # The text/plain output of the cell, which notebook tests compare.
        return f"MetricTrap(image={self._name!r}, ranked={len(self._ranking)} of {len(LETTERS)})"

    def _ipython_display_(self) -> None:
        images = [(letter, as_image(rgb)) for letter, rgb in self._results.items()]
        display_with_still(
            self,
            contact_sheet(images, width=170, columns=3),
            alt=f"Six colorizations of one photograph, {self._name}, called A to F, in quite different colors.",
            caption="Six colorizations of one photograph. Which is best, which is second, … which is worst?",
        )

    @property
    def ranking(self) -> tuple[str, ...]:
        """Return the letters ranked so far, best first."""
        return tuple(self._ranking)

    @property
    def agreement(self) -> pd.DataFrame | None:
        """Return :func:`agreement` of the ranking with each score, or ``None`` before the comparison."""
        return agreement(self._ranking, self._table) if self._revealed else None

    def _make_controls(self) -> None:
        self.images = {letter: ipywidgets.HTML() for letter in LETTERS}
        self.buttons = {letter: ipywidgets.Button(layout={"width": "auto"}) for letter in LETTERS}
        for letter, button in self.buttons.items():
            button.on_click(lambda _, letter=letter: self._choose(letter))
        # All six are visible at once, smaller on narrow pages.
        cards = ipywidgets.GridBox([ipywidgets.VBox([self.images[i], self.buttons[i]]) for i in LETTERS])
        cards.add_class("colorlab-cards")
        self.compare = ipywidgets.Button(
            description="Compare with the scores",
            icon="balance-scale",
            button_style="primary",
            layout={"width": "220px"},
        )
        self.compare.on_click(lambda _: self._reveal())
        self.original, self.answer = ipywidgets.HTML(), ipywidgets.HTML()
        self._lay_out("metric-trap", self.status, cards, self.compare, row("columns", self.original, self.answer))

    def _choose(self, letter: str) -> None:
        if self._revealed:
            self._set_status("The names are known now; use another seed or image for a new trap.")
            return
        if letter in self._ranking:
            self._ranking.remove(letter)
        else:
            self._ranking.append(letter)
        self._draw()

    def _reveal(self) -> None:
        missing = [letter for letter in LETTERS if letter not in self._ranking]
        if missing:
            self._set_status(
                f"First rank all six: {', '.join(missing)} {'are' if len(missing) > 1 else 'is'} missing."
            )
            return
        self._revealed = True
        self._caption({letter: f"{letter}: {what}" for letter, what in self._what.items()})
        self._draw()

    def _caption(self, names: Mapping[str, str]) -> None:
        for letter, name in names.items():
            image = as_image(self._results[letter])
            self.images[letter].value = image_html(image, alt=f"image {name}", caption=name)

    def _draw(self) -> None:
        for letter in LETTERS:
            ranked = letter in self._ranking
            rank = f"rank {self._ranking.index(letter) + 1}" if ranked else "choose"
            self.buttons[letter].description = f"{letter}: {rank}"
            self.buttons[letter].button_style = "info" if ranked else ""
        if self._revealed:
            found = agreement(self._ranking, self._table)
            original = as_image(self._original)
            self.original.value = image_html(original, alt="the original photograph", caption="The original")
            self.answer.value = _table_html(self._ranking, found)
            self._set_status(_in_words(found))
        elif len(self._ranking) < len(LETTERS):
            place = ("best", "second", "third", "fourth", "fifth", "last")[len(self._ranking)]
            self._set_status(f"Which colors look {place}? Press the button under the image; press again to undo.")
        else:
            self._set_status("All six are ranked. Compare with the scores.")


def _in_words(found: pd.DataFrame) -> str:
    known = found.dropna()
    if known.empty:
        return "Every score is the same for all six."
    first, last = known.index[0], known.index[-1]
    return (
        f"Nearest to you is {reading(first)[0]} (τ = {known['tau'].iloc[0]:.2f}), farthest {reading(last)[0]} "
        f"(τ = {known['tau'].iloc[-1]:.2f}). With six images, chance alone seldom exceeds ±0.8."
    )


def _table_html(ranking: Sequence[str], found: pd.DataFrame) -> str:
    """Return a table of the ranks by the user and by each score, one row each."""

    def line_html(name: str, ranks: Sequence[int], tau: str, look: str = "") -> str:
        cells = "".join(f'<td class="{look}">{rank}</td>' for rank in ranks)
        return f'<th scope="row" class="{look}">{html.escape(name)}</th>{cells}<td>{tau}</td>'

    rows = [line_html("you", [ranking.index(letter) + 1 for letter in LETTERS], "", "strong")]
    for score, line in found.iterrows():
        tau = "–" if math.isnan(line["tau"]) else f"{line['tau']:.2f}".replace("-", "−")
        rows.append(line_html(heading(str(score)), [int(line[letter]) for letter in LETTERS], tau))
    return table_html(("rank by", *LETTERS, "τ with you"), rows)
