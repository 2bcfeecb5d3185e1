"""Load hints from files: JSON from the hint painter, or a transparent image with strokes of color.

Strokes come from a drawing program: a new layer over the gray image, some lines in known colors, saved as PNG. Every
pixel that is not fully transparent is a hint. These are thousands of nearly equal ones, so each cell of a grid gives
one.
"""

from __future__ import annotations

import codecs
from pathlib import Path

import numpy as np
import torch

from colorlab import color
from colorlab.hints import Hint, check_proportions, from_json, reduce_hints
from colorlab.image import ImageSource, kind_of, read_image

MOST_HINTS = 400
"""Maximum number of hints from an image of strokes; spreading each costs one pair of triangular solves."""

FINEST_GRID = 40
"""Cells along the longer side, as in the default network; halved until at most :data:`MOST_HINTS` remain."""

_MOST_PIXELS = 2**20  # pixels of strokes to use
_ALIKE = 20.0  # Lab units; where strokes meet in a cell, colors further from its middle's are ignored


def load_hints(path: str | Path, shape: tuple[int, int]) -> list[Hint]:
    """Return the hints in a file, JSON or an image of strokes; its content decides.

    Args:
        path: of the file.
        shape: H and W of the image that they are for.

    Raises:
        ValueError: the file cannot be read, holds no hints, or is for an image of other proportions; the message
            names it.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be opened: {error.strerror or error}") from error
    if kind_of(content[:64]) is not None:
        return hints_from_strokes(path, shape)
    if not content.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{"):
        raise ValueError(f"{path} holds no hints; give JSON that the painter saved, or a PNG of strokes")
    try:
        return from_json(content, shape)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def hints_from_strokes(strokes: ImageSource, shape: tuple[int, int]) -> list[Hint]:
    """Return hints from an image that is transparent where no color is known.

    Each grid cell with strokes gives one hint, at the pixel nearest the strokes' center: the mean of the similar
    colors, weighted by opacity. There are at most :data:`MOST_HINTS`.

    Args:
        strokes: anything that :func:`colorlab.colorize` takes, with transparency.
        shape: H and W of the image that they are for; ``strokes`` may be larger or smaller, in the same proportions.

    Raises:
        ValueError: the image cannot be read, has no transparency or no strokes, or has other proportions.
    """
    name = str(strokes) if isinstance(strokes, str | Path) else "the image of strokes"
    image = read_image(strokes)
    size = image.rgb.shape[0], image.rgb.shape[1]
    check_proportions(f"{name} is", size, shape)
    if image.alpha is None or bool(image.alpha.all()):
        raise ValueError(
            f"{name} has no transparent pixels, so all of it would be a hint; save only the strokes, on a "
            "transparent layer, as PNG"
        )
    rows, columns = np.nonzero(image.alpha)
    if not rows.size:
        raise ValueError(f"{name} is fully transparent; draw strokes on it in the colors that you know")
    some = slice(None, None, -(-rows.size // _MOST_PIXELS))
    rows, columns = rows[some], columns[some]
    weight = image.alpha[rows, columns].astype(float)
    level = torch.from_numpy(image.rgb[rows, columns].T.astype(np.float32) / np.iinfo(image.rgb.dtype).max)
    ab = color.rgb_to_lab(level[..., None])[1:, :, 0].double().numpy()

    grid = FINEST_GRID
    while True:
        cell = (rows * grid // max(size)) * grid + columns * grid // max(size)
        kinds, start = np.unique(np.sort(cell), return_index=True)
        if len(kinds) <= MOST_HINTS:
            break
        grid //= 2
    hints = []
    for members in np.split(np.argsort(cell, kind="stable"), start[1:]):
        row, column = (np.average(places[members], weights=weight[members]) for places in (rows, columns))
        middle = members[np.argmin((rows[members] - row) ** 2 + (columns[members] - column) ** 2)]
        alike = members[np.hypot(*(ab[:, members] - ab[:, [middle]])) < _ALIKE]
        a, b = np.average(ab[:, alike], axis=1, weights=weight[alike]).tolist()
        hints.append(Hint.of(int(columns[middle]), int(rows[middle]), a, b))
    return reduce_hints(hints, size, shape)
