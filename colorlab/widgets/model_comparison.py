"""Model comparison: one image, the result of every model, and its scores.

:mod:`colorlab.widgets.scoring` computes the scores; :class:`ModelComparison` shows the results, sorted by a score
that the user chooses. Used in notebook ``11_comparing_models``.
"""

from __future__ import annotations

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
from colorlab.widgets.base import NARROW, WRAPPED, ImageBox, Source
from colorlab.widgets.markup import image_html
from colorlab.widgets.scoring import FORMULAS, best_first, colored_by, reduced, scored
from colorlab.widgets.still import contact_sheet, display_with_still
from colorlab.widgets.subject import as_image, has_color


class _Shown(NamedTuple):
    """Hold an image, its results and their scores."""

    name: str
    original: Tensor
    results: dict[str, Tensor]
    figures: dict[str, str]
    table: pd.DataFrame


class ModelComparison(ImageBox):
    """Compare all models on one image: ``ModelComparison()`` as the last line of a cell.

    Every model colors a sample or an upload, reduced to :data:`SIDE` pixels, at its own working size. Under each
    result are its scores against the original; *Sort by* sorts the models by one of them.

    Args:
        image: the name of a sample (:data:`colorlab.data.placeholder.PHOTOGRAPHS`) or the path of an image file.
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
        self.gallery = ipywidgets.HTML(layout={"width": "auto", "margin": "4px 2px"})
        self.children = (
            ipywidgets.HBox([self.image, self.upload, self.score], layout=WRAPPED),
            self.status,
            self.gallery,
        )
        self.add_class("colorlab-model-comparison")

    def _show_image(self, source: Source, image: LoadedImage) -> None:
        self._set_status(f"Coloring {source.name} …")
        original = reduced(image, source.name)
        results = {name: colored_by(model, original) for name, model in self._models.items()}
        figures = {
            name: image_html(as_image(result), alt=f"{source.name}, colored by {name}", caption=name)
            for name, result in results.items()
        }
        table = scored(original, results, self._perceptual)
        self._shown = _Shown(source.name, original, results, figures, table)
        self._draw()

    def _draw(self) -> None:
        score, (name, original, _, figures, table) = self.score.value, self._shown
        ordered = best_first(table, score)
        first = image_html(as_image(original), alt=f"{name}, the original", caption="original")
        cards = [first, *(figures[str(model)] + _scores_html(row, score) for model, row in ordered.iterrows())]
        self.gallery.value = (
            '<div style="display:grid;grid-template-columns:repeat(auto-fill,minmax(160px,1fr));gap:16px">'
            + "".join(f"<div>{card}</div>" for card in cards)
            + "</div>"
        )
        text = f"{name} at {self._dimensions} pixels, sorted by {heading(score)}: {ordered.index[0]} is first."
        if not has_color(original):
            text += " The image has no color of its own, so the scores only say who adds least."
        self._set_status(text)


def _scores_html(row: pd.Series[float], chosen: str) -> str:
    """Return the table of scores under an image; the score that decides the order is bold."""
    lines = []
    for name, value in row.items():
        number = "∞" if math.isinf(value) else f"{value:.3g}"
        weight = "bold" if name == chosen else "normal"
        lines.append(
            f'<tr style="font-weight:{weight}"><th scope="row" style="text-align:left;font-weight:inherit">'
            f'{heading(str(name))}</th><td style="text-align:right;vertical-align:bottom">{number}</td></tr>'
        )
    return f'<table style="width:100%;font-size:12px;line-height:1.35;border-spacing:0 2px">{"".join(lines)}</table>'
