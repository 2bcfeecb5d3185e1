"""Hints from files: JSON that the painter saved, or a transparent image with strokes of color on it.

Strokes are what people make in a drawing program: a new layer over the gray image, some lines in the colors that they
know, saved as PNG. Every pixel that is not wholly transparent is a hint. They are thousands, and neighbors say the
same, so each cell of a grid gives one.
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
"""What an image of strokes gives at most: each costs one pair of triangular solutions when it is spread."""

FINEST_GRID = 40
"""Cells along the longer side, as many as the default network has; halved until there are few enough hints."""

_MOST_PIXELS = 2**20  # that are looked at
_ALIKE = 20.0  # Lab units between colors of a cell; where strokes meet, those further from its middle's do not count


def load_hints(path: str | Path, shape: tuple[int, int]) -> list[Hint]:
    """Return the hints in a file, which its content tells from one another: JSON, or an image of strokes.

    Args:
        path: of the file.
        shape: H and W of the image that they are for.

    Raises:
        ValueError: the file cannot be read, holds no hints, or is for an image of other proportions; it is named.
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
    """Return hints from an image that is transparent where nothing is known.

    Each cell of a grid in which there are strokes gives one hint, at the stroke's pixel nearest their middle: the
    mean of those that are like it, weighted by opacity. There are at most :data:`MOST_HINTS`.

    Args:
        strokes: anything that :func:`colorlab.colorize` takes, with transparency.
        shape: H and W of the image that they are for; ``strokes`` may be larger or smaller, in the same proportions.

    Raises:
        ValueError: an image that cannot be read, has no transparency or no strokes, or has other proportions.
    """
    name = str(strokes) if isinstance(strokes, str | Path) else "the image of strokes"
    image = read_image(strokes)
    size = image.rgb.shape[0], image.rgb.shape[1]
    check_proportions(f"{name} is", size, shape)
    if image.alpha is None or bool(image.alpha.all()):
        raise ValueError(
            f"{name} is transparent nowhere, so that all of it would be a hint; save the strokes alone, on a "
            "transparent layer, as PNG"
        )
    rows, columns = np.nonzero(image.alpha)
    if not rows.size:
        raise ValueError(f"{name} is transparent everywhere; draw strokes on it in the colors that you know")
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
