r"""The Lab explorer: choose a color with three sliders and see how a screen shows it.

:func:`looks` computes the colors; :class:`LabExplorer` connects them to the sliders. Used in notebook
``01_lab_color_space``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import ipywidgets
import torch
from PIL import Image
from torch import Tensor

from colorlab import color, plots
from colorlab.widgets.base import StatusBox, row, slider
from colorlab.widgets.likely_colors import gamut_image
from colorlab.widgets.markup import data_url, image_html, table_html

REACH = 110
"""Largest absolute value of a and b."""

STEP = 10
"""Distance between neighboring colors in Lab units."""

_SLIDERS = {"L": (0, 100), "a": (-REACH, REACH), "b": (-REACH, REACH)}


class Look(NamedTuple):
    """Hold a color and how a screen shows it.

    Attributes:
        lab: L, a, b.
        rgb: sRGB in 0…255; ``None`` if no screen can show the color.
    """

    lab: tuple[float, float, float]
    rgb: tuple[int, int, int] | None

    @property
    def hue(self) -> float:
        """Return the angle in the a, b plane, in degrees; 0 is toward a."""
        return math.degrees(math.atan2(self.lab[2], self.lab[1])) % 360

    @property
    def chroma(self) -> float:
        """Return the distance from gray."""
        return math.hypot(*self.lab[1:])


def looks(lightness: float, a: float, b: float) -> dict[str, Look]:
    r"""Return a color, its two fits to the gamut, and two grays.

    Returns:
        The color ``chosen``; the results of clipping RGB (``clipped``) and of :func:`colorlab.color.fit_to_gamut`
        (``fitted``); and the grays with the L\* and with the luma of the fitted color.
    """
    chosen = torch.tensor([lightness, a, b], dtype=torch.float64).view(3, 1, 1)
    clipped = color.lab_to_rgb(chosen)
    fitted = color.fit_to_gamut(chosen)
    luma = color.luma(color.lab_to_rgb(fitted)).expand(3, 1, 1)
    return {
        "chosen": _look(chosen) if bool(color.in_gamut(chosen)) else Look((lightness, a, b), None),
        "clipped": _look(color.rgb_to_lab(clipped)),
        "fitted": _look(fitted),
        "gray of its L": _look(torch.cat([chosen[:1], torch.zeros_like(chosen[1:])])),
        "gray of its luma": _look(color.rgb_to_lab(luma)),
    }


def _look(lab: Tensor) -> Look:
    lightness, a, b = lab.flatten().tolist()
    red, green, blue = color.to_uint8(color.lab_to_rgb(lab)).flatten().tolist()
    return Look((lightness, a, b), (red, green, blue))


def verdict(seen: Mapping[str, Look]) -> str:
    """Describe the colors in two sentences."""
    chosen, clipped, fitted, _, luma = seen.values()
    place = "L {:.0f}, a {:.0f}, b {:.0f}".format(*chosen.lab)
    if chosen.rgb is None:
        turn = abs((clipped.hue - chosen.hue + 180) % 360 - 180)
        first = (
            f"{place} is outside the gamut: clipping changes L by {clipped.lab[0] - chosen.lab[0]:+.1f} and hue by "
            f"{turn:.1f}°; fit_to_gamut keeps both and lowers chroma from {chosen.chroma:.0f} to {fitted.chroma:.0f}."
        )
    else:
        first = f"{place} is inside the gamut: clipping and fit_to_gamut leave it as it is."
    return f"{first} A gray of its luma has L {luma.lab[0]:.1f}, {luma.lab[0] - chosen.lab[0]:+.1f} from its own."


def slice_html(seen: Mapping[str, Look]) -> str:
    """Return the gamut's slice at the color's L, with lines to the clipped and to the fitted color."""
    chosen, clipped, fitted = (seen[name] for name in ("chosen", "clipped", "fitted"))
    ((lightness, a, b), _) = chosen
    image = data_url(gamut_image(lightness, reach=REACH))
    ways = "".join(
        f'<line x1="{a:.1f}" y1="{-b:.1f}" x2="{end.lab[1]:.1f}" y2="{-end.lab[2]:.1f}" stroke-dasharray="{dash}"/>'
        for end, dash in ((clipped, "4 3"), (fitted, "none"))
    )
    x, y = clipped.lab[1], -clipped.lab[2]
    marks = f'{ways}<path d="M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"/><circle cx="{a:.1f}" cy="{-b:.1f}" r="5"/>'
    where = f"The slice of the gamut at L {lightness:.0f} with the chosen color at a {a:.0f}, b {b:.0f}"
    return (
        "<figure><figcaption>"
        f"The gamut at L = {lightness:.0f}: ○ chosen, × clipped, ● fitted</figcaption>"
        f'<svg role="img" aria-label="{where}" viewBox="-138 -113 252 242" width="420" '
        'style="display:block;max-width:100%;height:auto">'
        '<foreignObject x="-110" y="-110" width="220" height="220">'
        '<div class="colorlab-hatch" style="height:100%;zoom:0.6"></div></foreignObject>'
        f'<image href="{image}" x="-110.5" y="-110.5" width="221" height="221"/>'
        '<path d="M-110 0H110M0 -110V110" stroke="#888" stroke-width="0.5"/>'
        # White around black is visible on any color, on light and dark pages.
        f'<g fill="none" stroke="white" stroke-width="3.4">{marks}</g>'
        f'<g fill="none" stroke="black" stroke-width="1.6">{marks}</g>'
        f'<circle cx="{fitted.lab[1]:.1f}" cy="{-fitted.lab[2]:.1f}" r="3.5" stroke="white"/>'
        '<g fill="currentColor" font-size="10" text-anchor="middle">'
        '<text x="-100" y="123">-100</text><text y="123">a</text><text x="100" y="123">100</text>'
        '<text x="-126" y="104">-100</text><text x="-126" y="3">b</text><text x="-126" y="-96">100</text></g>'
        "</svg></figure>"
    )


def looks_html(seen: Mapping[str, Look]) -> str:
    """Return a table with a row for each look: the color and its numbers."""
    rows = []
    for name, look in seen.items():
        paint = 'class="swatch colorlab-hatch"'
        if look.rgb is not None:
            paint = 'class="swatch" style="background:rgb({},{},{})"'.format(*look.rgb)
        numbers = "".join(f"<td>{round(value, 1) + 0:.1f}</td>" for value in look.lab)
        shown = "none" if look.rgb is None else "{} {} {}".format(*look.rgb)
        rows.append(f'<td {paint}></td><th scope="row">{name}</th>{numbers}<td>{shown}</td>')
    return table_html(("", "color", "L", "a", "b", "R G B"), rows)


class LabExplorer(StatusBox):
    r"""Explore Lab colors in a notebook: ``LabExplorer()`` as the last line of a cell.

    Three sliders set L\*, a and b. The explorer shows the gamut's slice at that L with the color on it, the results
    of clipping and of :func:`colorlab.color.fit_to_gamut`, the grays of its L\* and of its luma, and its neighbors.

    Args:
        lightness: initial L, 0…100.
        a: initial a, -110…110.
        b: initial b, -110…110.

    Raises:
        ValueError: a value is outside its range.
    """

    def __init__(self, lightness: float = 60, a: float = 100, b: float = 0) -> None:
        super().__init__()
        for (name, (low, high)), value in zip(_SLIDERS.items(), (lightness, a, b), strict=True):
            if not low <= value <= high:
                raise ValueError(f"{name} must lie in {low}…{high}, got {value:g}")
        self.sliders: dict[str, ipywidgets.FloatSlider] = {}
        self.numbers: dict[str, ipywidgets.BoundedFloatText] = {}
        for (name, (low, high)), value in zip(_SLIDERS.items(), (lightness, a, b), strict=True):
            self.sliders[name], self.numbers[name] = slider(name, value=value, min=low, max=high, step=1)
            self.sliders[name].style.description_width = "1em"
            self.sliders[name].observe(self._draw, "value")
        self.slice, self.table, self.neighbors = (ipywidgets.HTML() for _ in range(3))
        self.neighbors.add_class("colorlab-neighbors")
        pairs = zip(self.sliders.values(), self.numbers.values(), strict=True)
        rows = [ipywidgets.HBox(pair) for pair in pairs]
        right = ipywidgets.VBox([*rows, row("columns", self.table, self.neighbors)], layout={"flex": "1 1 300px"})
        self._lay_out("lab-explorer", row("columns", self.slice, right), self.status)
        self._draw()

    def __repr__(self) -> str:
        # The text/plain output of the cell, which notebook tests compare.
        return "LabExplorer(L={:g}, a={:g}, b={:g})".format(*self.value)

    def _ipython_display_(self) -> None:
        seen = looks(*self.value)
        plots.show_widget(
            self,
            plots.looks(seen),
            alt="A slice of the gamut with a color on it; what clipping and fitting make of it; its neighbors.",
            caption="The explorer at L {:g}, a {:g}, b {:g}: the gamut's slice; the color chosen (○), clipped (×), "
            "fitted (●); its grays; neighbors of the fitted one.".format(*self.value),
        )

    @property
    def value(self) -> tuple[float, float, float]:
        """Return L, a and b of the sliders."""
        lightness, a, b = (float(slider.value) for slider in self.sliders.values())
        return lightness, a, b

    def _draw(self, _: object = None) -> None:
        lightness, a, b = self.value
        seen = looks(lightness, a, b)
        self.slice.value = slice_html(seen)
        self.table.value = looks_html(seen)
        # Neighbors of the fitted color; those of a color far outside the gamut would all be outside as well.
        near = gamut_image(lightness, reach=2 * STEP, step=STEP, center=seen["fitted"].lab[1:])
        self.neighbors.value = image_html(
            near.resize((160, 160), Image.Resampling.NEAREST),
            alt=f"Colors of the same L up to {2 * STEP} units away in a and b; hatched where no screen has one",
            caption=f"Neighbors of ●, {STEP} apart",
        )
        self._set_status(verdict(seen))
