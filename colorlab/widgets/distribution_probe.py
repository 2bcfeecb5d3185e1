"""The distribution probe: which colors a network considers possible at one spot of an image, and how likely each is.

A click or the arrow keys move the spot. The network runs once per image. :func:`entropy_bits` and
:func:`~colorlab.widgets.likely_colors.modes` compute the numbers beside the plot.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import torch
from matplotlib import colormaps
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from colorlab import color
from colorlab.image import LoadedImage
from colorlab.inference import Painter, answering, network_input, network_of, render
from colorlab.models import DistributionColorizer, Style
from colorlab.models.distribution import BIN_SIZE, mixed
from colorlab.widgets.base import ImageBox, Source, fold, row
from colorlab.widgets.likely_colors import Mode, color_name, css_color, modes, showable
from colorlab.widgets.markup import image_html, table_html
from colorlab.widgets.point_pad import PointPad
from colorlab.widgets.still import contact_sheet, display_with_still
from colorlab.widgets.subject import Subject, prepare

LARGE_ENTROPY = 6.0
"""Entropy in bits that is shown as the brightest; equal probabilities of all bins have nearly 8."""

VIEWS = ("gray", "colorized", "entropy")
"""Views of the image."""

_CANVAS_WIDTH = 512  # of the image's longer side on the page, in CSS pixels
_PLOT_WIDTH = 332
_REACH = 115  # of the plot, in Lab units to each side of gray: the bins end at 110 + 5
_PIXELS = 4  # of the plot, for one Lab unit


class Belief(NamedTuple):
    """Hold a network's predicted distribution for an image at working size, h×w pixels.

    Attributes:
        lightness: ``(h, w)`` L in 0…100.
        probabilities: ``(bins, h, w)``, summing to 1 over the bins, before any style.
        ab: ``(2, h, w)`` the color that the network's own style chooses, in Lab units.
    """

    lightness: Tensor
    probabilities: Tensor
    ab: Tensor


def believe(lightness: Tensor, model: DistributionColorizer) -> Belief:
    """Return the color distribution at each pixel of an image, which is reduced as in ``colorize``.

    The probabilities of the cells around a pixel are mixed in the same way as the model mixes their colors.

    Args:
        lightness: ``(H, W)`` L in 0…100.
        model: used in ``eval()`` mode; its mode is restored afterward.
    """
    small, given = network_input(lightness, model)
    rows, columns = small.shape
    with answering(model):
        answer = model.both_ways(given)
        cells = model.tempered(answer.logits.float(), Style()).softmax(dim=1)
        probabilities = mixed(cells, answer.mixture)[0, :, :rows, :columns]
        ab: Tensor = model.chosen_color(answer)[0, :, :rows, :columns] * color.AB_SCALE
    return Belief(small, probabilities.cpu().clone(), ab.cpu().clone())


def entropy_bits(probabilities: Tensor) -> Tensor:
    """Return the entropy in bits over the first dimension, along which the probabilities sum to 1.

    It is 0 if one color is certain and log2 n if n bins are equally likely.
    """
    entropy: Tensor = torch.special.entr(probabilities).sum(dim=0) / math.log(2)
    return entropy


def plot_bins(probabilities: Tensor, bins: Tensor, lightness: float, chosen: Sequence[float]) -> Image.Image:
    """Draw a distribution over a (to the right) and b (upward), RGBA.

    Each bin that a screen can show at ``lightness`` is a pale square of its color. The area of the saturated square
    on it is its probability, relative to the likeliest bin. A bin that no screen can show is an empty frame. Nearly
    black or white squares get a frame as well, so that they are visible on light and dark pages.

    Args:
        probabilities: ``(bins,)``.
        bins: ``(bins, 2)`` in Lab units.
        lightness: L in 0…100.
        chosen: a, b of the color marked with a ring, in Lab units.
    """
    side = 2 * _REACH * _PIXELS
    plot = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(plot)

    def box(a: float, b: float, reach: float) -> tuple[float, float, float, float]:
        x, y = (a + _REACH) * _PIXELS, (_REACH - b) * _PIXELS
        return x - reach * _PIXELS, y - reach * _PIXELS, x + reach * _PIXELS - 1, y + reach * _PIXELS - 1

    lab = torch.cat([torch.full_like(bins[:, :1], lightness), bins], dim=1).T[..., None]
    inside = color.in_gamut(lab).flatten().tolist()
    colors = color.to_uint8(color.lab_to_rgb(lab))[..., 0].T.tolist()
    reaches = (BIN_SIZE / 2 * (probabilities / probabilities.max()).sqrt()).tolist()
    gray = (128, 128, 128, 255)
    middle = _REACH * _PIXELS
    places = bins.tolist()
    for (a, b), shown, rgb in zip(places, inside, colors, strict=True):
        if shown:
            draw.rectangle(box(a, b, BIN_SIZE / 2), fill=(*rgb, 70))
    draw.line((0, middle, side, middle), fill=gray, width=2)
    draw.line((middle, 0, middle, side), fill=gray, width=2)
    for (a, b), shown, rgb, reach in zip(places, inside, colors, reaches, strict=True):
        if reach * _PIXELS >= 1:
            frame = None if shown and 20 <= lightness <= 85 else gray
            draw.rectangle(box(a, b, reach), fill=(*rgb, 255) if shown else None, outline=frame, width=2)
    # A white ring in a black one is visible on any color.
    a, b = chosen
    draw.ellipse(box(a, b, 6.5), outline="black", width=14)
    draw.ellipse(box(a, b, 5.5), outline="white", width=6)
    return plot


def modes_html(found: Sequence[Mode], lightness: float) -> str:
    """Return a table with a row for each mode: the nearest color that a screen can show, its probability and name."""
    rows = []
    for a, b, probability in found:
        shown = showable(lightness, a, b)
        rows.append(
            f'<td class="swatch" style="background:{css_color(lightness, *shown)}"></td><td>{probability:.0%}</td>'
            f'<th scope="row">{color_name(lightness, *shown)}</th><td>{a:z.0f}</td><td>{b:z.0f}</td>'
        )
    elsewhere = 1 - sum(mode.probability for mode in found)
    rows.append(f'<td></td><td>{abs(elsewhere):.0%}</td><th scope="row">all others</th><td></td><td></td>')
    return table_html(("", "", "likely color", "a", "b"), rows)


class DistributionProbe(ImageBox):
    """Show the colors a network considers possible: ``DistributionProbe()`` as the last line of a cell.

    A click, a drag or the arrow keys move a spot over the image. Beside the image are the probabilities of the
    colors at that spot, as a plot over a and b and as a list of the likeliest. The image has three views: gray, the
    colors that the model's own style chooses, and a map of the entropy (how undecided the network is).

    Args:
        image: the name of a sample (:data:`colorlab.data.samples.SAMPLES`) or the path of an image file.
        model: a colorizer that predicts a distribution, or the name of pretrained weights; None is the default.

    Raises:
        ValueError: the image cannot be read, the model is unknown, or it predicts a single color.
    """

    def __init__(self, image: str | Path = "astronaut", model: Painter = None) -> None:
        super().__init__()
        network = network_of(model)
        if not isinstance(network, DistributionColorizer):
            raise ValueError(
                f"{network.name or type(network).__name__} predicts a single color; DistributionProbe needs a model "
                "that predicts a distribution, such as 'distribution'"
            )
        self._network = network
        self._bins = network.bins.cpu()
        self._subject: Subject
        self._make_controls()
        self._open(image)
        self.view.observe(self._on_view, "value")

    def __repr__(self) -> str:
        # The text/plain output of the cell; tests compare it, so it must not depend on the machine or the weights.
        return f"DistributionProbe(image={self._subject.name!r}, {self._subject.dimensions})"

    def _ipython_display_(self) -> None:
        name, (row, column) = self._subject.name, self.spot
        drawn = self._images["colorized"].convert("RGB")
        scale = drawn.height / self._belief.lightness.shape[0]
        place = ((column + 0.5) * scale, (row + 0.5) * scale)
        ImageDraw.Draw(drawn).circle(place, 0.03 * drawn.width, outline="black", width=10)
        ImageDraw.Draw(drawn).circle(place, 0.03 * drawn.width - 2, outline="white", width=6)
        plot = self._plot()
        paper = Image.new("RGBA", plot.size, "white")
        paper.alpha_composite(plot)
        display_with_still(
            self,
            contact_sheet(
                [("image", drawn), ("colors at the spot", paper), ("entropy", self._images["entropy"])], width=160
            ),
            alt=f"{name} in color with a ring around a spot; how likely the colors are there; the entropy as a map.",
            caption=f"{name}: the probe shows the colors that the network considers possible at the spot.",
        )

    @property
    def spot(self) -> tuple[int, int]:
        """Return row and column of the spot, in pixels of the image at working size."""
        return self._spot

    def _make_controls(self) -> None:
        self.view = ipywidgets.ToggleButtons(
            options=VIEWS,
            value="colorized",
            tooltips=("The lightness alone", "The colors that the style chooses", "How undecided the network is"),
        )
        self.canvas = PointPad(self._on_canvas, "Image: arrows move the spot, with Shift by 10")
        self.legend, self.plot, self.modes = (ipywidgets.HTML() for _ in range(3))
        self.legend.add_class("colorlab-caption")
        text = "Click or drag on the image, or move the spot by arrow keys, with Shift by 10."
        keys, folded = fold("?", "Mouse and keys", ipywidgets.HTML(text))
        self._lay_out(
            "distribution-probe",
            row("bar", self.image, self.upload, self.view, keys),
            folded,
            row(
                "columns",
                ipywidgets.VBox([self.legend, self.canvas]),
                ipywidgets.VBox([self.plot, self.modes], layout={"width": f"{_PLOT_WIDTH}px"}),
            ),
            self.status,
        )

    def _on_canvas(self, gesture: Mapping[str, Any]) -> None:
        if gesture["kind"] in ("press", "move"):
            with self._report_errors():
                self._spot = gesture["y"], gesture["x"]
                self._draw()

    def _on_view(self, _: object) -> None:
        with self._report_errors():
            self._draw()

    def _show_image(self, source: Source, image: LoadedImage) -> None:
        self._set_status(f"Colorizing {source.name} …")
        subject = prepare(source.name, image)
        belief = believe(subject.lightness, self._network)
        entropy = entropy_bits(belief.probabilities)
        height, width = subject.small_lightness.shape
        brightness = (entropy / LARGE_ENTROPY).clamp(max=1)
        brightness = F.interpolate(brightness[None, None], (height, width), mode="bilinear", align_corners=False)[
            0, 0
        ]
        self._images = {
            "gray": render(subject.small_lightness, belief.ab, alpha=subject.small_alpha, chroma=0),
            "colorized": render(subject.small_lightness, belief.ab, alpha=subject.small_alpha),
            "entropy": Image.fromarray(
                np.ascontiguousarray(colormaps["viridis"](brightness.numpy(), bytes=True)[..., :3])
            ),
        }
        self._subject, self._belief, self._entropy = subject, belief, entropy
        self._spot = entropy.shape[0] * 3 // 4, entropy.shape[1] // 3
        self._draw()

    def _plot(self) -> Image.Image:
        """Draw the distribution at the spot."""
        belief, (row, column) = self._belief, self.spot
        lightness = float(belief.lightness[row, column])
        return plot_bins(
            belief.probabilities[:, row, column], self._bins, lightness, belief.ab[:, row, column].tolist()
        )

    def _draw(self) -> None:
        subject, belief, view = self._subject, self._belief, str(self.view.value)
        row, column = self.spot
        probabilities = belief.probabilities[:, row, column]
        lightness, entropy = float(belief.lightness[row, column]), float(self._entropy[row, column])
        most = math.log2(len(self._bins))
        found = modes(probabilities, self._bins)
        height, width = subject.small_lightness.shape
        self.canvas.show(
            self._images[view],
            alt={
                "gray": f"{subject.name} in gray",
                "colorized": f"{subject.name} in the network's colors",
                "entropy": f"{subject.name} as a map of the entropy: the brighter, the less decided the network is",
            }[view],
            grid=(len(self._entropy), len(self._entropy.T)),
            points=[(row, column, "transparent", "the spot")],
            selected=0,
            width=_CANVAS_WIDTH * width // max(height, width),
        )
        self.legend.value = html.escape(
            {
                "gray": "The network's input",
                "colorized": "The color chosen at each pixel",
                "entropy": f"Entropy: dark 0 … bright {LARGE_ENTROPY:g} bits; mean {float(self._entropy.mean()):.1f}",
            }[view]
        )
        chosen = "a = {:z.0f}, b = {:z.0f}".format(*belief.ab[:, row, column].tolist())
        self.plot.value = image_html(
            self._plot(),
            alt=f"Probabilities of the colors at L = {lightness:.0f}; the color chosen is {chosen}",
            caption=f"Colors at L = {lightness:.0f}: a to the right, b upward; area: probability; ring: chosen",
            width=_PLOT_WIDTH,
        )
        self.modes.value = modes_html(found, lightness)
        first = found[0]
        name = color_name(lightness, *showable(lightness, first.a, first.b))
        self._set_status(
            f"{subject.name}, row {row}, column {column}: L = {lightness:.0f}, entropy {entropy:.2f} bits (at most "
            f"{most:.2f}), most likely {name} ({first.probability:.0%}), chosen {chosen}."
        )
