"""Turn a predicted distribution into a list of likely colors that a screen can show, with names."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from colorlab import color
from colorlab.models.distribution import BIN_SIZE

SHOWN_MODES = 5
"""Largest number of modes or suggestions in a list."""

LEAST = 0.01
"""Modes less likely than this are not listed."""

# Upper end of each color's range of hue angles in the a, b plane, in degrees.
_HUES = {20: "pink", 48: "red", 80: "orange", 112: "yellow", 185: "green", 220: "cyan", 310: "blue", 345: "purple"}


class Mode(NamedTuple):
    """Hold a likely color: a, b in Lab units, and the probability of its bin and the bins around it."""

    a: float
    b: float
    probability: float


class Suggestion(NamedTuple):
    """Hold a likely color that a screen can show: a, b in Lab units, its probability, and its name."""

    a: float
    b: float
    probability: float
    name: str


def modes(probabilities: Tensor, bins: Tensor) -> list[Mode]:
    """Return the likely colors of a distribution, most likely first, at most :data:`SHOWN_MODES`.

    The first is the likeliest bin with its eight neighbors; the next is the likeliest of the bins that remain, with
    those of its neighbors that remain; and so on.

    Args:
        probabilities: ``(bins,)``, summing to 1.
        bins: ``(bins, 2)`` a, b of each bin in Lab units, :data:`~colorlab.models.distribution.BIN_SIZE` apart.
    """
    return [mode for mode in _all_modes(probabilities, bins) if mode.probability >= LEAST][:SHOWN_MODES]


def suggest(probabilities: Tensor, bins: Tensor, lightness: float) -> list[Suggestion]:
    """Return the most likely of the :func:`modes` as colors that a screen can show, at most :data:`SHOWN_MODES`.

    Unlike :func:`modes` it also lists unlikely colors, since the user chooses. It skips colors that look like an
    earlier one, as many do near black or white.

    Args:
        probabilities: as in :func:`modes`.
        bins: as in :func:`modes`.
        lightness: L of the spot, in 0…100.
    """
    found: list[Suggestion] = []
    for mode in _all_modes(probabilities, bins):
        a, b = showable(lightness, mode.a, mode.b)
        if all(math.dist((a, b), other[:2]) > BIN_SIZE / 2 for other in found):
            found.append(Suggestion(a, b, mode.probability, color_name(lightness, a, b)))
        if len(found) == SHOWN_MODES:
            break
    return found


def _all_modes(probabilities: Tensor, bins: Tensor) -> list[Mode]:
    near = torch.cdist(bins, bins) < 1.5 * BIN_SIZE
    left = probabilities.clone()
    found = []
    while float(left.max()) > 0:
        i = int(left.argmax())
        a, b = bins[i].tolist()
        found.append(Mode(a, b, float(left[near[i]].sum())))
        left[near[i]] = 0
    return sorted(found, key=lambda mode: -mode.probability)


def color_name(lightness: float, a: float, b: float) -> str:
    """Return a plain English name of a Lab color, such as ``dull orange``."""
    chroma, hue = math.hypot(a, b), math.degrees(math.atan2(b, a)) % 360
    if chroma < BIN_SIZE / 2:
        return "black" if lightness < 15 else "white" if lightness > 92 else "gray"
    name = next((name for end, name in _HUES.items() if hue < end), "pink")
    if lightness < 55:
        name = {"orange": "brown", "yellow": "olive"}.get(name, name)
    return f"dull {name}" if chroma < 25 else name


def showable(lightness: float, a: float, b: float) -> tuple[float, float]:
    """Return a and b, with reduced chroma if no screen can show the color at that L."""
    lab = torch.tensor([lightness, a, b], dtype=torch.float64).view(3, 1, 1)
    _, a, b = color.fit_to_gamut(lab).flatten().tolist()
    return a, b


def gamut_image(
    lightness: float, *, reach: float, step: float = 1, center: tuple[float, float] = (0, 0)
) -> Image.Image:
    """Return the colors of one L that a screen can show, RGBA: a to the right, b upward, elsewhere transparent.

    Args:
        lightness: L in 0…100.
        reach: a and b extend from minus this to this, around ``center``.
        step: Lab units for each pixel.
        center: a and b of the center.
    """
    axis = torch.arange(-reach, reach + step / 2, step)
    a, b = torch.meshgrid(center[0] + axis, center[1] - axis, indexing="xy")
    lab = torch.stack([torch.full_like(a, lightness), a, b])
    opacity = 255 * color.in_gamut(lab).to(torch.uint8)
    rgba = torch.cat([color.to_uint8(color.lab_to_rgb(lab)), opacity[None]])
    return Image.fromarray(rgba.movedim(0, -1).contiguous().numpy())


def css_color(lightness: float, a: float, b: float) -> str:
    """Return a Lab color as ``rgb(…)``."""
    rgb = color.to_uint8(color.lab_to_rgb(torch.tensor([lightness, a, b]).view(3, 1, 1)))
    return "rgb({}, {}, {})".format(*rgb.flatten().tolist())
