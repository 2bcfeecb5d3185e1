"""Sample photographs that come with other packages, to look at and to try colorizers on.

No weights that colorize photographs were trained on them (``resnet-placeholder`` was trained on crops of eight).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

SAMPLES = {
    "astronaut": "skimage/data/astronaut.png",
    "cat": "skimage/data/chelsea.png",
    "coffee": "skimage/data/coffee.png",
    "galaxies": "skimage/data/hubble_deep_field.jpg",
    "motorcycle": "skimage/data/motorcycle_left.png",
    "retina": "skimage/data/retina.jpg",
    "rocket": "skimage/data/rocket.jpg",
    "tissue": "skimage/data/ihc.png",
    "admiral": "matplotlib/mpl-data/sample_data/grace_hopper.jpg",
    "temple": "sklearn/datasets/images/china.jpg",
    "flower": "sklearn/datasets/images/flower.jpg",
}
"""Name → file inside an installed package; a README or docstring there has the origin and license of each."""

_REMEDIES = {
    "skimage": "the dataset `placeholder` needs it; install the version of scikit-image that colorlab pins",
    "matplotlib": "install matplotlib: pip install 'colorlab[notebooks]'",
    "sklearn": "install scikit-learn: pip install 'colorlab[notebooks]'",
}


def photograph(name: str) -> Image.Image:
    """Return a whole sample photograph.

    Raises:
        ValueError: no sample has this name.
        FileNotFoundError: the package that the file belongs to is not installed, or lacks it.
    """
    if name not in SAMPLES:
        raise ValueError(f"no photograph {name!r}; there are {', '.join(SAMPLES)}")
    package, _, file = SAMPLES[name].partition("/")
    # The package need not be imported to find its files.
    found = importlib.util.find_spec(package)
    path = Path(found.origin).parent / file if found and found.origin else None
    if path is None or not path.is_file():
        raise FileNotFoundError(f"the photograph {name!r} ({file} in {package}) is missing; {_REMEDIES[package]}")
    with Image.open(path) as image:
        return image.convert("RGB")


def photographs(*names: str, size: int | tuple[int, int] = 256) -> Tensor:
    """Return the centers of sample photographs as one batch.

    Args:
        names: of :data:`SAMPLES`.
        size: side, or height and width, of the results in pixels.

    Returns:
        ``(N, 3, H, W)`` uint8. Each photograph is reduced until it just covers the size, and its margins are cut off.
    """
    height, width = (size, size) if isinstance(size, int) else size
    fitted = [ImageOps.fit(photograph(name), (width, height), Image.Resampling.LANCZOS) for name in names]
    return torch.stack([torch.from_numpy(np.array(image)).movedim(-1, 0) for image in fitted])
