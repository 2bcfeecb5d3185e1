"""Model comparison: one picture, what every model makes of it, and what every score says to that.

:func:`reduced`, :func:`coloured_by` and :func:`scored` do the work; :class:`ModelComparison` shows it, in the order
of a score that can be changed. Used in notebook ``10_comparing_models``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from colorlab import color, plots, pretrained
from colorlab.data import create_dataset
from colorlab.data.placeholder import PHOTOGRAPHS, photograph
from colorlab.evaluation import PerceptualDistance, grey, mean_colour, score_pictures
from colorlab.evaluation.leaderboard import heading, reading
from colorlab.inference import colorize
from colorlab.models import Colorizer
from colorlab.pictures import Picture, read_picture
from colorlab.widgets.colorize_bench import Source
from colorlab.widgets.markup import picture_html, sentence, status_html
from colorlab.widgets.subject import read_upload

SIDE = 256
"""Longer side, in pixels, of the pictures that are compared: scores depend on it, and it is the papers' usual one."""

SMALLEST = 32
"""Shorter side, in pixels, that a picture needs for all scores."""

COLOURLESS = 2.0
"""Colourfulness below which a picture counts as grey; JPEG and scanners leave a little even where there is none."""

FORMULAS = ("mae", "psnr", "ssim", "ciede2000", "epsilon_5", "auc_rebalanced", "colorfulness_difference")
"""The scores shown: of those that only differ in their unit or in a weight, one each."""

_SHOWN_ERRORS = (ValueError, OSError, MemoryError, RuntimeError)


def reduced(picture: Picture, name: str) -> Tensor:
    """A picture made smaller until its longer side is :data:`SIDE`; never larger; opacity is ignored.

    Args:
        picture: 8 or 16 bits.
        name: what to call it in an error.

    Returns:
        ``(3, H, W)`` uint8.

    Raises:
        ValueError: its shorter side is then below :data:`SMALLEST`.
    """
    pixels = picture.rgb if picture.rgb.dtype == np.uint8 else picture.rgb // 257
    image = Image.fromarray(np.ascontiguousarray(pixels, dtype=np.uint8))
    image.thumbnail((SIDE, SIDE))
    if min(image.size) < SMALLEST:
        raise ValueError(
            f"{name} is too small or too narrow: scores need {SMALLEST} pixels on the shorter side, and with at most "
            f"{SIDE} on the longer one it has {image.width}×{image.height}"
        )
    return as_tensor(image)


def as_tensor(image: Image.Image) -> Tensor:
    """``(3, H, W)`` uint8."""
    return torch.from_numpy(np.array(image.convert("RGB"))).movedim(-1, 0)


def as_image(rgb: Tensor) -> Image.Image:
    """The way back from :func:`as_tensor`."""
    return Image.fromarray(rgb.movedim(0, -1).contiguous().numpy())


def coloured_by(model: Colorizer, rgb: Tensor) -> Tensor:
    """What :func:`colorlab.colorize` makes of a picture at the model's own working size; both ``(3, H, W)`` uint8."""
    return as_tensor(colorize(rgb, model))


def scored(
    original: Tensor, results: Mapping[str, Tensor], perceptual: PerceptualDistance | None = None
) -> pd.DataFrame:
    """Scores of several results against one original.

    Args:
        original: ``(3, H, W)`` uint8.
        results: name → the same shape.
        perceptual: measures one more column, called by its label.

    Returns:
        A row for each result, a column for each of :data:`FORMULAS`.
    """
    batch = torch.stack(list(results.values()))
    originals = original.expand_as(batch).contiguous()
    columns = {name: score_pictures(originals, batch, [name])[name] for name in FORMULAS}
    if perceptual is not None:
        columns[perceptual.label] = perceptual.distances(original[None], [result[None] for result in batch])[:, 0]
    return pd.DataFrame({name: values.numpy() for name, values in columns.items()}, index=list(results))


def best_first(table: pd.DataFrame, score: str) -> pd.DataFrame:
    """The rows of a table in the order of one of its columns, whichever direction is better for that."""
    return table.sort_values(score, ascending=reading(score)[2] == "lower", kind="stable")


def _sample(name: str) -> tuple[Source, Tensor]:
    return Source("sample", name), reduced(read_picture(photograph(name)), name)


class _Shown(NamedTuple):
    """A picture and everything about it."""

    source: Source
    original: Tensor
    results: dict[str, Tensor]
    figures: dict[str, str]
    table: pd.DataFrame


class ModelComparison(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """All models on one picture: ``ModelComparison()`` as the last line of a cell.

    A sample or an upload, reduced to :data:`SIDE` pixels, is coloured by every model at its own working size. Under
    each result stand its scores against the original; *Sort by* puts the models in the order of one of them.

    Args:
        picture: the name of a sample (:data:`colorlab.data.placeholder.PHOTOGRAPHS`) or the path of a picture file.
        models: name → colorizer; by default grey, the mean colour of `placeholder`'s training pictures, and all that
            ship (:data:`colorlab.pretrained.NAMES`).
        perceptual: adds the distance that it measures to the scores.

    Raises:
        ValueError: no models, or a picture that cannot be read or is too small to be scored.
    """

    def __init__(
        self,
        picture: str | Path = "coffee",
        models: Mapping[str, Colorizer] | None = None,
        *,
        perceptual: PerceptualDistance | None = None,
    ) -> None:
        super().__init__()
        if models is None:
            models = {"grey": grey(), "mean colour": mean_colour(create_dataset("placeholder", "train"))}
            models |= {name: pretrained.load(name) for name in pretrained.NAMES}
        if not models:
            raise ValueError("models is empty; give at least one, such as {'grey': colorlab.evaluation.grey()}")
        self._models, self._perceptual = dict(models), perceptual
        self._own: tuple[Source, Tensor] | None = None
        self._settling = False  # while True the program, not a person, is setting the controls
        self._make_controls()
        if picture in PHOTOGRAPHS:
            self._shown = self._compare(*_sample(str(picture)))
        else:
            path = Path(picture)
            self._own = Source("own", path.name), reduced(read_picture(path), str(path))
            self._shown = self._compare(*self._own)
        self._settle()
        self._draw()
        self.picture.observe(self._on_picture, "value")
        self.upload.observe(self._on_upload, "value")
        self.score.observe(self._on_score, "value")

    def __repr__(self) -> str:
        # text/plain of the cell: the same on every machine, so that tests of notebooks can compare it.
        return f"ModelComparison(picture={self._shown.source.name!r}, {self._dimensions})"

    def _ipython_display_(self) -> None:
        score, name = self.score.value, self._shown.source.name
        values = best_first(self.table, score)[score]
        pictures = [self._shown.original, *(self._shown.results[model] for model in values.index)]
        ranks = [f"{rank} {model} {value:.3g}" for rank, (model, value) in enumerate(values.items(), start=1)]
        plots.show_widget(
            self,
            plots.pictures({"": pictures}, titles=["truth", *map(str, range(1, len(pictures)))], width=3.6),
            alt=f"{name}: the original, and what each model makes of it, the best by {heading(score)} first.",
            caption=f"{name}, the models in the order of {heading(score)}: {', '.join(ranks)}.",
        )

    @property
    def table(self) -> pd.DataFrame:
        """The scores: a row for each model, in the order given; a column for each score."""
        return self._shown.table.copy()

    @property
    def order(self) -> list[str]:
        """The models as they are shown, best first by the chosen score."""
        return [str(name) for name in best_first(self._shown.table, self.score.value).index]

    @property
    def _dimensions(self) -> str:
        """Width × height in pixels at which all is compared."""
        return "{1}×{0}".format(*self._shown.original.shape[1:])

    def _make_controls(self) -> None:
        narrow = {"description_width": "auto"}
        scores = [*FORMULAS, *([] if self._perceptual is None else [self._perceptual.label])]
        self.picture = ipywidgets.Dropdown(
            options=self._pictures(), description="Picture", style=narrow, layout={"width": "222px"}
        )
        self.upload = ipywidgets.FileUpload(
            description="Upload", accept="image/*,.tif,.tiff", tooltip="Upload a picture", layout={"width": "112px"}
        )
        self.score = ipywidgets.Dropdown(
            options=[(heading(name), name) for name in scores],
            description="Sort by",
            style=narrow,
            layout={"width": "300px"},
        )
        self.gallery = ipywidgets.HTML(layout={"width": "auto", "margin": "4px 2px"})
        self.status = ipywidgets.HTML(layout={"width": "auto"})
        wrapped = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "0 12px"}
        self.children = (
            ipywidgets.HBox([self.picture, self.upload, self.score], layout=wrapped),
            self.status,
            self.gallery,
        )
        self.add_class("colorlab-model-comparison")

    def _pictures(self) -> list[tuple[str, Source]]:
        samples = [(name, Source("sample", name)) for name in PHOTOGRAPHS]
        own = [] if self._own is None else [(f"{self._own[0].name} (own)", self._own[0])]
        return samples + own

    def _on_picture(self, _: object) -> None:
        if self._settling or self.picture.value == self._shown.source:
            return
        with self._told():
            self._say(f"Colouring {self.picture.value.name} …")
            own = self._own if self.picture.value.kind == "own" else None
            self._shown = self._compare(*(own or _sample(self.picture.value.name)))
            self._draw()

    def _on_upload(self, change: Mapping[str, Any]) -> None:
        if self._settling or not change["new"]:
            return
        file = change["new"][0]
        name = str(file["name"]) or "upload"
        with self._told():
            self._say(f"Reading {name} …")
            own = Source("own", name), reduced(read_upload(name, bytes(file["content"])), name)
            self._shown = self._compare(*own)
            self._own = own
            self._draw()

    def _on_score(self, _: object) -> None:
        self._draw()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Errors as a sentence in the status line: raised in a callback, they would end in a log nobody reads."""
        try:
            yield
        except _SHOWN_ERRORS as error:
            self._say(f"{sentence(error)} Nothing was changed.")
        self._settle()

    def _compare(self, source: Source, original: Tensor) -> _Shown:
        """Everything about a picture; the widget is not touched, so that an error leaves it as it was."""
        results = {name: coloured_by(model, original) for name, model in self._models.items()}
        figures = {
            name: picture_html(as_image(result), alt=f"{source.name}, coloured by {name}", caption=name)
            for name, result in results.items()
        }
        return _Shown(source, original, results, figures, scored(original, results, self._perceptual))

    def _draw(self) -> None:
        name, (source, original, _, figures, table) = self.score.value, self._shown
        ordered = best_first(table, name)
        first = picture_html(as_image(original), alt=f"{source.name}, the original", caption="original")
        cards = [first, *(figures[str(model)] + _scores_html(row, name) for model, row in ordered.iterrows())]
        self.gallery.value = (
            '<div style="display:grid;grid-template-columns:repeat(auto-fill,minmax(190px,1fr));gap:16px">'
            + "".join(f"<div>{card}</div>" for card in cards)
            + "</div>"
        )
        text = f"{source.name} at {self._dimensions} pixels, sorted by {heading(name)}: {ordered.index[0]} is first."
        if float(color.colorfulness(original[None])) < COLOURLESS:
            text += " The picture has no colour of its own, so the scores only say who adds least."
        self._say(text)

    def _say(self, text: str) -> None:
        self.status.value = status_html(text)

    def _settle(self) -> None:
        """Make the controls tell what is shown, also after a choice that failed."""
        self._settling = True
        try:
            self.picture.options = self._pictures()
            self.picture.value = self._shown.source
            # A file is forgotten once it was read; else it could not be uploaded a second time.
            self.upload.value = ()
        finally:
            self._settling = False


def _scores_html(row: pd.Series[float], chosen: str) -> str:
    """The scores under a picture; the one that decides the order stands out."""
    lines = []
    for name, value in row.items():
        number = "∞" if math.isinf(value) else f"{value:.3g}"
        weight = "bold" if name == chosen else "normal"
        lines.append(
            f'<tr style="font-weight:{weight}"><th scope="row" style="text-align:left;font-weight:inherit">'
            f'{heading(str(name))}</th><td style="text-align:right;vertical-align:bottom">{number}</td></tr>'
        )
    return f'<table style="width:100%;font-size:12px;line-height:1.35;border-spacing:0 2px">{"".join(lines)}</table>'
