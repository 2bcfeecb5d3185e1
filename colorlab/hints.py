"""Spread color hints, a few pixels of known color, over a network's prediction.

Levin, Lischinski and Weiss (2004) color a gray image from a few marks: the color of each pixel is the mean of its
neighbors' colors, weighted by how similar their lightness is. Here this constrains the *correction*, the final color
minus the network's:

    minimize  Σ_r (c_r - Σ_s w_rs c_s)² + pull · Σ_r c_r²   subject to c = hint - prediction at each hint,

s are the up to eight neighbors of r, and w_rs = exp(-(L_r - L_s)² / 2σ²), scaled so that a pixel's weights add up
to 1. So a correction stays inside the edges of the object that the hint lies on, and far from all hints the
prediction is unchanged. Where L is constant, a single hint has the shape of a plate on an elastic bed under a point
load.

The matrix depends on L alone and is factorized once. Each hint's position then costs one pair of triangular solves,
and the colors one dense system with a row per hint. Notebook ``12_colorize_your_own`` uses this module.

Reference: Levin, Lischinski and Weiss, *Colorization using Optimization*, doi:10.1145/1015706.1015780, equation 1.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral

import numpy as np
import numpy.typing as npt
import torch
from scipy import sparse
from scipy.sparse.linalg import splu
from torch import Tensor

from colorlab.color import rgb_to_lab

SIGMA = 4.0
"""Difference in L at which a neighbor has weight 0.6. The paper uses the variance of L around each pixel, which stops
color at textures as well as edges: three true hints then correct a photograph of ``placeholder`` half as much."""

MAX_REACH = 1000
"""Beyond this the pull is smaller than the rounding error."""

_FORMAT = "colorlab hints 1"
_FIELDS = ("row", "column", "a", "b")  # of a hint in a file

_Array = npt.NDArray[np.float64]


@dataclass(frozen=True, init=False)
class Hint:
    """The color of one pixel: ``Hint(120, 80, "#c04020")``. Only its a and b are used; L is the image's.

    Args:
        x: from the left, from 0.
        y: from the top, from 0.
        color: sRGB, ``#rrggbb`` or three numbers in 0…255.

    Attributes:
        x: from the left, from 0.
        y: from the top, from 0.
        a: in Lab units.
        b: in Lab units.

    Raises:
        ValueError: the color is neither of these.
    """

    x: int
    y: int
    a: float
    b: float

    def __init__(self, x: int, y: int, color: str | Sequence[float]) -> None:
        if not (isinstance(x, Integral) and isinstance(y, Integral)):
            raise TypeError(f"x and y of a hint must be whole pixels, got {x!r} and {y!r}")
        lab = rgb_to_lab(torch.tensor(_rgb(color), dtype=torch.float64).view(3, 1, 1) / 255).flatten().tolist()
        vars(self).update(x=x, y=y, a=lab[1], b=lab[2])

    @classmethod
    def of(cls, x: int, y: int, a: float, b: float) -> Hint:
        """Return a hint with the given a and b, in Lab units."""
        hint = object.__new__(cls)
        vars(hint).update(x=x, y=y, a=a, b=b)
        return hint


def _rgb(color: str | Sequence[float]) -> list[float]:
    if isinstance(color, str) and re.fullmatch("#[0-9a-fA-F]{6}", color):
        return [float(value) for value in bytes.fromhex(color[1:])]
    try:
        values = [] if isinstance(color, str) else [float(value) for value in color]
    except (TypeError, ValueError):
        values = []
    if len(values) != 3 or not all(0 <= value <= 255 for value in values):
        raise ValueError(f"the color of a hint must be #rrggbb or three numbers in 0…255, got {color!r}")
    return values


class Propagation:
    """Spreads hints along the lightness of one image; create it once per image.

    Args:
        lightness: ``(H, W)`` L in 0…100. At 256 × 256 the factorization takes about a second.
        reach: distance in pixels at which 63 % of a hint's effect remains where no edge stops it; by default a
            quarter of the longer side.

    Raises:
        ValueError: ``lightness`` is not an image of finite values, or ``reach`` is not 0.1 to 1000.
    """

    def __init__(self, lightness: Tensor, *, reach: float | None = None) -> None:
        if lightness.dim() != 2 or lightness.numel() == 0 or not bool(lightness.isfinite().all()):
            raise ValueError(f"lightness must be (H, W) with finite values, got shape {tuple(lightness.shape)}")
        reach = min(max(lightness.shape) / 4, MAX_REACH) if reach is None else reach
        if not 0.1 <= reach <= MAX_REACH:
            raise ValueError(f"reach must be 0.1 to {MAX_REACH} pixels, got {reach}")
        self.shape: tuple[int, int] = (lightness.shape[0], lightness.shape[1])
        self._factors = splu(
            system(lightness.double().cpu().numpy(), reach),
            # The matrix is symmetric and positive definite, so no pivoting is needed.
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        )
        # Pixel → response of all pixels to a unit load there, for the hints of the last call.
        self._responses: dict[int, _Array] = {}

    def spread(self, ab: Tensor, hints: Sequence[Hint]) -> Tensor:
        """Return the prediction corrected by the hints.

        Args:
            ab: ``(2, H, W)`` predicted a and b in Lab units.
            hints: any number, no two on one pixel.

        Returns:
            ``(2, H, W)`` on the CPU, of the type of ``ab``: at each hint its color, up to rounding. The correction
            is clipped to the range that the hints ask for, which the minimum exceeds where hints contradict each
            other. The gamut is not checked; :func:`colorlab.inference.render` does that.

        Raises:
            ValueError: ``ab`` has another shape than the image, a hint lies outside it or is not finite, or two lie
                on one pixel.
        """
        if tuple(ab.shape) != (2, *self.shape):
            raise ValueError(f"ab must have shape {(2, *self.shape)}, like the lightness, got {tuple(ab.shape)}")
        check_hints(hints, self.shape)
        if not hints:
            self._responses = {}
            return ab.cpu().clone()
        predicted = ab.double().cpu().numpy().reshape(2, -1)
        pixels = [hint.y * self.shape[1] + hint.x for hint in hints]
        wanted = np.array([(hint.a, hint.b) for hint in hints]).T - predicted[:, pixels]
        known = self._responses
        new = [pixel for pixel in pixels if pixel not in known]
        known = {**known, **dict(zip(new, self._respond(new), strict=True))}
        self._responses = {pixel: known[pixel] for pixel in pixels}
        responses = np.stack([self._responses[p] for p in pixels])
        loads = np.linalg.solve(responses[:, pixels], wanted.T)
        correction = loads.T @ responses
        low, high = wanted.min(axis=1, keepdims=True), wanted.max(axis=1, keepdims=True)
        limited = np.clip(correction, np.minimum(low, 0), np.maximum(high, 0))
        return torch.from_numpy((predicted + limited).reshape(2, *self.shape)).to(ab.dtype)

    def _respond(self, pixels: Sequence[int]) -> _Array:
        """Return the response of all pixels to a unit load at each given one; solving for all at once is faster."""
        loads = np.zeros((self.shape[0] * self.shape[1], len(pixels)), order="F")
        loads[pixels, range(len(pixels))] = 1
        responses: _Array = self._factors.solve(loads).T
        return responses


def system(lightness: _Array, reach: float) -> sparse.csc_array:
    """Return the matrix of the module's quadratic form: ``(H·W, H·W)``, symmetric, sparse by columns.

    Args:
        lightness: ``(H, W)`` L in 0…100.
        reach: as in :class:`Propagation`.
    """
    height, width = lightness.shape
    number = np.arange(height * width).reshape(height, width)
    pixels, neighbors = [], []
    for down, right in [(0, 1), (1, 0), (1, 1), (1, -1)]:
        one = number[: height - down, max(0, -right) : width - max(0, right)].ravel()
        other = number[down:, max(0, right) : width + min(0, right)].ravel()
        pixels += [one, other]
        neighbors += [other, one]
    row, column = np.concatenate(pixels), np.concatenate(neighbors)
    values = lightness.ravel()
    weight = np.exp(-((values[row] - values[column]) ** 2) / (2 * SIGMA**2))
    weight /= np.bincount(row, weight, number.size)[row]
    identity = sparse.eye_array(number.size)
    residual = identity - sparse.coo_array((weight, (row, column)), shape=(number.size,) * 2).tocsr()
    # The eight neighbors' mean squared distance along one axis is 3/4. So where L is constant, the residual is -3/8
    # of the Laplacian, and a hint has the shape of a plate with `reach` as its radius of relative stiffness.
    pull = (3 / 8 / reach**2) ** 2
    return (residual.T @ residual + pull * identity).tocsc()


def check_hints(hints: Sequence[Hint], shape: tuple[int, int]) -> None:
    """Check that all hints fit an image of ``shape`` (H, W).

    Raises:
        ValueError: a hint lies outside or is not finite, or two lie on one pixel.
    """
    seen: set[tuple[int, int]] = set()
    for number, hint in enumerate(hints, start=1):
        if not (0 <= hint.y < shape[0] and 0 <= hint.x < shape[1]):
            raise ValueError(
                f"hint {number} is at row {hint.y}, column {hint.x}, outside an image of {shape[1]}×{shape[0]} pixels"
            )
        if not (math.isfinite(hint.a) and math.isfinite(hint.b)):
            raise ValueError(f"hint {number} has a = {hint.a}, b = {hint.b}; both must be numbers")
        if (hint.y, hint.x) in seen:
            raise ValueError(f"hint {number} is on the same pixel as another: row {hint.y}, column {hint.x}")
        seen.add((hint.y, hint.x))


def check_proportions(what: str, size: tuple[int, int], shape: tuple[int, int]) -> None:
    """Check that ``size`` and ``shape`` (H, W) have the same proportions, up to rounding.

    Raises:
        ValueError: they differ; the message begins with ``what``.
    """
    scale = max(size) / max(shape)
    if any(abs(side / scale - wanted) > max(1, 1 / scale) for side, wanted in zip(size, shape, strict=True)):
        raise ValueError(
            f"{what} for an image of {size[1]}×{size[0]} pixels, but this one has {shape[1]}×{shape[0]}; "
            "the proportions must match"
        )


def reduce_hints(hints: Sequence[Hint], shape: Sequence[int], size: Sequence[int]) -> list[Hint]:
    """Scale hints from an image of ``shape`` to the same image at ``size``; average those that share a pixel."""
    grouped: dict[tuple[int, int], list[Hint]] = {}
    for hint in hints:
        place = int((hint.x + 0.5) * size[1] / shape[1]), int((hint.y + 0.5) * size[0] / shape[0])
        grouped.setdefault(place, []).append(hint)
    return [
        Hint.of(*place, sum(h.a for h in some) / len(some), sum(h.b for h in some) / len(some))
        for place, some in grouped.items()
    ]


def to_json(hints: Sequence[Hint], shape: tuple[int, int]) -> str:
    """Return hints as the text of a JSON file, one hint per line.

    The file holds ``height`` and ``width`` of the image and a list ``hints`` of objects with ``row`` and ``column``
    in its pixels, counted from the top left, and ``a`` and ``b`` in Lab units.

    Args:
        hints: of one image.
        shape: H and W of the lightness that they belong to.

    Raises:
        ValueError: as in :func:`check_hints`.
    """
    check_hints(hints, shape)
    entries = [{"row": hint.y, "column": hint.x, "a": hint.a, "b": hint.b} for hint in hints]
    lines = ",\n    ".join(json.dumps(entry) for entry in entries)
    return (
        f'{{\n  "format": "{_FORMAT}",\n  "height": {shape[0]},\n  "width": {shape[1]},\n'
        f'  "hints": [{f"{chr(10)}    {lines}{chr(10)}  " if hints else ""}]\n}}\n'
    )


def from_json(text: str | bytes, shape: tuple[int, int]) -> list[Hint]:
    """Read hints from text that :func:`to_json` returned.

    Args:
        text: the file's contents.
        shape: H and W of the image. Hints made at another size are scaled.

    Raises:
        ValueError: the text is not such a file, is damaged, or is for an image of other proportions.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the file holds no hints: it is not JSON ({error})") from error
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError(f'the file holds no hints: it does not say "format": "{_FORMAT}"')
    height, width = content.get("height"), content.get("width")
    if not (type(height) is int and type(width) is int and 0 < height < 2**31 and 0 < width < 2**31):
        raise ValueError(f"the file is damaged: its image has {width!r}×{height!r} pixels")
    size = height, width
    check_proportions("the hints are", size, shape)
    entries = content.get("hints")
    if not isinstance(entries, list):
        raise ValueError('the file is damaged: "hints" is not a list')
    hints = [_hint(number, entry) for number, entry in enumerate(entries, start=1)]
    check_hints(hints, size)
    return reduce_hints(hints, size, shape)


def _hint(number: int, entry: object) -> Hint:
    """Check and convert one entry of a file."""
    if not isinstance(entry, dict) or entry.keys() != set(_FIELDS):
        raise ValueError(f"the file is damaged: hint {number} must have {', '.join(_FIELDS)}, and nothing else")
    for field in _FIELDS:
        kinds = (int,) if field in ("row", "column") else (int, float)
        # In Python a bool is an int.
        if not isinstance(entry[field], kinds) or isinstance(entry[field], bool):
            raise ValueError(f"the file is damaged: {field} of hint {number} is {entry[field]!r}")
    try:
        return Hint.of(entry["column"], entry["row"], float(entry["a"]), float(entry["b"]))
    except OverflowError as error:
        raise ValueError(f"the file is damaged: the color of hint {number} is too large") from error
