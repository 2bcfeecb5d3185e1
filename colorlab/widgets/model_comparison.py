"""Model comparison: one image, the result of every model, and its scores.

:mod:`colorlab.widgets.scoring` computes the scores; :class:`ModelComparison` shows the results, sorted by a score
that the user chooses. Used in notebook ``11_comparing_models``.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import ipywidgets
import pandas as pd
from torch import Tensor

from colorlab import pretrained
from colorlab.data import create_dataset
from colorlab.evaluation import PerceptualDistance, gray, mean_color
from colorlab.evaluation.leaderboard import heading
from colorlab.image import LoadedImage
from colorlab.inference import Painter, network_of
from colorlab.widgets.base import NARROW, ImageBox, Source, row
from colorlab.widgets.markup import image_html, table_html
from colorlab.widgets.scoring import FORMULAS, best_first, colored_by, reduced, scored
from colorlab.widgets.still import contact_sheet, display_with_still
from colorlab.widgets.subject import as_image, has_color


class _Shown(NamedTuple):
    """Hold an image, its results and their scores."""

    name: str
    original: Tensor
    results: dict[str, Tensor]
    table: pd.DataFrame


class ModelComparison(ImageBox):
    """Compare all models on one image: ``ModelComparison()`` as the last line of a cell.

    Every model colors a sample or an upload, reduced to :data:`SIDE` pixels, at its own working size. A table lists
    their scores against the original; *Sort by* sorts the models by one of them.

    Args:
        image: the name of a sample (:data:`colorlab.data.samples.SAMPLES`) or the path of an image file.
        models: name → a network, or the name or path of weights; by default gray, the mean color of `placeholder`'s
            training images, and all pretrained models (:data:`colorlab.pretrained.NAMES`).
        perceptual: adds its perceptual distance to the scores.

    Raises:
        ValueError: there are no models, or the image cannot be read or is too small for the scores.
    """

    def __init__(
        self,
        image: str | Path = "coffee",
        models: Mapping[str, Painter] | None = None,
        *,
        perceptual: PerceptualDistance | None = None,
    ) -> None:
        super().__init__()
        if models is None:
            models = {"gray": gray(), "mean color": mean_color(create_dataset("placeholder", "train"))}
            models |= {name: name for name in pretrained.NAMES}
        if not models:
            raise ValueError("models is empty; give at least one, such as {'gray': colorlab.evaluation.gray()}")
        self._models, self._perceptual = {name: network_of(model) for name, model in models.items()}, perceptual
        self._make_controls()
        self._open(image)
        self.score.observe(lambda _: self._draw(), "value")

    def __repr__(self) -> str:
        # The text/plain output of the cell; notebook tests compare it, so it must be the same on every machine.
        return f"ModelComparison(image={self._shown.name!r}, {self._dimensions})"

    def _ipython_display_(self) -> None:
        score, name = self.score.value, self._shown.name
        values = best_first(self.table, score)[score]
        ranks = [f"{rank} {model} {value:.3g}" for rank, (model, value) in enumerate(values.items(), start=1)]
        results = [(f"{rank} {model}", self._shown.results[str(model)]) for rank, model in enumerate(values.index, 1)]
        images = [(title, as_image(rgb)) for title, rgb in (("original", self._shown.original), *results)]
        display_with_still(
            self,
            contact_sheet(images, width=150),
            alt=f"{name}: the original, and what each model makes of it, the best by {heading(score)} first.",
            caption=f"{name}, the models in the order of {heading(score)}: {', '.join(ranks)}.",
        )

    @property
    def table(self) -> pd.DataFrame:
        """Return the scores: a row for each model, in the order given; a column for each score."""
        return self._shown.table.copy()

    @property
    def order(self) -> list[str]:
        """Return the names of the models, best first by the chosen score."""
        return [str(name) for name in best_first(self._shown.table, self.score.value).index]

    @property
    def _dimensions(self) -> str:
        """Return width × height of the compared images in pixels."""
        return "{1}×{0}".format(*self._shown.original.shape[1:])

    def _make_controls(self) -> None:
        scores = [*FORMULAS, *([] if self._perceptual is None else [self._perceptual.label])]
        self.score = ipywidgets.Dropdown(
            options=[(heading(name), name) for name in scores],
            description="Sort by",
            style=NARROW,
            layout={"width": "300px"},
        )
        self.gallery, self.scores = ipywidgets.HTML(), ipywidgets.HTML()
        self._lay_out(
            "model-comparison",
            row("bar", self.image, self.upload, self.score),
            self.status,
            self.gallery,
            self.scores,
        )

    def _show_image(self, source: Source, image: LoadedImage) -> None:
        self._set_status(f"Coloring {source.name} …")
        original = reduced(image, source.name)
        results = {name: colored_by(model, original) for name, model in self._models.items()}
        self._shown = _Shown(source.name, original, results, scored(original, results, self._perceptual))
        self._draw()

    def _draw(self) -> None:
        score, (name, original, results, table) = self.score.value, self._shown
        ordered = best_first(table, score)
        cards = [image_html(as_image(original), alt=f"{name}, the original", caption="original")]
        for model, value in ordered[score].items():
            image = as_image(results[str(model)])
            alt = f"{name}, colored by {model}"
            cards.append(image_html(image, alt=alt, caption=str(model), note=_number(value)))
        self.gallery.value = f'<div class="colorlab-gallery">{"".join(cards)}</div>'
        self.scores.value = scores_html(ordered, score)
        text = f"{name} at {self._dimensions} pixels, sorted by {heading(score)}: {ordered.index[0]} is first."
        if not has_color(original):
            text += " The image has no color of its own, so the scores only say who adds least."
        self._set_status(text)


def scores_html(table: pd.DataFrame, chosen: str) -> str:
    """Return a table of scores: a line for each model; the best of each score is bold, the ``chosen`` one shaded."""
    best = {name: best_first(table, str(name))[name].iloc[0] for name in table}
    lines = []
    for model, values in table.iterrows():
        cells = []
        for name, value in values.items():
            look = ("chosen " if name == chosen else "") + ("best" if value == best[name] else "")
            cells.append(f'<td class="{look}">{_number(value)}</td>')
        lines.append(f'<th scope="row">{html.escape(str(model))}</th>{"".join(cells)}')
    return table_html(("model", *(heading(str(name)) for name in table)), lines)


def _number(value: float) -> str:
    return "∞" if math.isinf(value) else f"{value:#.3g}".rstrip(".")
