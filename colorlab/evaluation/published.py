"""Scores by image, computed once, for where the weights or the photographs that they need are not at hand.

``lpips_squeeze.csv`` holds LPIPS (trunk SqueezeNet 1.1) of the test images of ``placeholder``: of what the
baselines and the shipped weights make of them, and of what :func:`altered` does to them. Its first lines say from
what it was computed; ``tools/lpips_table.py`` made it. Its numbers must not be mixed with those of another trunk.

``judged_photos.csv`` holds what the judge ``imagenet`` says of 200 photographs, as they were, in gray, in the mean
color, and in the styles of the default colorizer; ``tools/judged_photos.py`` made it.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

FILE = Path(__file__).with_name("lpips_squeeze.csv")

JUDGED = Path(__file__).with_name("judged_photos.csv")

HINTS = Path(__file__).with_name("hints.csv")

ZHANG_2017 = {0: 24.43, 1: 25.37, 2: 26.20, 5: 27.39, 10: 28.42, 20: 29.34, 50: 30.42, 100: 31.13, 200: 31.70}
"""Hints → PSNR in dB, of 1,000 images of ImageNet's at 256 px: Zhang et al., arXiv:1705.02999, from their figure."""

LABEL = "LPIPS v0.1 (squeeze)"
"""The name of the table's numbers, as :attr:`colorlab.evaluation.PerceptualDistance.label` writes it."""

EXAMPLE = {"ex_p0": 0.711048, "ex_p1": 0.147902}
"""Distances to ``ex_ref`` with the genuine weights of SqueezeNet 1.1, for the example images that LPIPS's authors
publish (``imgs/`` in github.com/richzhang/PerceptualSimilarity). Weights that do not give these are others."""

SIZES = (32, 64)
"""Of the images in the table, pixels."""

_SIGMA = 1.0  # of the blur, pixels
_HALVINGS = 20  # until an amplitude in 0…512 is known to a thousandth


def lpips_table(size: int = SIZES[0]) -> pd.DataFrame:
    """LPIPS of changed test images of ``placeholder``, a row per change and image.

    Args:
        size: of the images, one of :data:`SIZES`.

    Returns:
        ``model``: ``gray``, ``mean color``, the shipped weights, then the names that :func:`altered` gives;
        ``image``, its index in the data set; ``label``, the class's name; and :data:`LABEL`, from 0, lower is more
        alike. The columns are those of :func:`colorlab.evaluation.compare`, so the two can be merged.

    Raises:
        ValueError: a size that is not in the table.
    """
    if size not in SIZES:
        raise ValueError(f"the table holds LPIPS of images of {' and '.join(map(str, SIZES))} pixels, not {size}")
    table = pd.read_csv(FILE, comment="#")
    table = table[table["size"] == size].drop(columns="size")
    long = table.melt(["image", "label"], var_name="model", value_name=LABEL)
    return long[["model", "image", "label", LABEL]]


def judged_photos() -> dict[str, pd.DataFrame]:
    """What a classifier of ImageNet says of photographs: for :func:`colorlab.evaluation.interpretability`.

    Returns:
        ``original``, ``gray``, ``mean color``, and the default's styles → what :func:`colorlab.evaluation.classify`
        gives, the labels as WordNet ids.
    """
    table = pd.read_csv(JUDGED, comment="#").astype({"top1": bool, "top5": bool})
    return {str(name): rows.reset_index(drop=True) for name, rows in table.groupby("model", sort=False)}


def lpips_provenance() -> str:
    """What the numbers of :func:`lpips_table` were computed from, when, and with which versions."""
    return _provenance(FILE)


def judged_provenance() -> str:
    """What the numbers of :func:`judged_photos` were computed from, and with which versions."""
    return _provenance(JUDGED)


def _provenance(file: Path) -> str:
    lines = file.read_text(encoding="utf-8").splitlines()
    return "\n".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))


def hint_curve() -> pd.DataFrame:
    """How hints help the default colorizer, on photographs that it was not trained on.

    ``hints.csv`` holds it; its first lines say what was measured, and ``tools/score_hints.py --write`` made it.

    Returns:
        A row for each way to follow hints and number of hints: ``way``, ``hints``, ``psnr`` the mean in dB, ``gain``
        over the network's answer without hints, the mean of pairs, and ``half`` a 95 % interval of it.
    """
    return pd.read_csv(HINTS, comment="#")


def altered(rgb: Tensor) -> dict[str, Tensor]:
    """Images with one thing changed that a squared error cannot tell from others, or takes for worse than it looks.

    Args:
        rgb: ``(N, 3, H, W)`` uint8.

    Returns:
        Name → images of the same shape: ``blurred`` by a Gaussian of σ 1 pixel; ``noisy``, with normal noise that
        is independent by pixel and channel, and ``brighter``, all values raised alike, both by so much that the
        squared error of each image is that of its blurred version (up to rounding; a little less where white stops
        it); ``shifted``, moved right by a pixel, the left column repeated. The same in every call.
    """
    # 8 σ and odd, as wide as matters
    blurred = transforms.gaussian_blur(rgb, kernel_size=9, sigma=_SIGMA)
    error = _squared_error(rgb, blurred)
    noise = torch.randn(rgb.shape, generator=torch.Generator().manual_seed(0))
    return {
        "blurred": blurred,
        "noisy": _moved(rgb, noise, error),
        "brighter": _moved(rgb, torch.ones(rgb.shape), error),
        "shifted": torch.cat([rgb[..., :1], rgb[..., :-1]], dim=-1),
    }


def _moved(rgb: Tensor, direction: Tensor, error: Tensor) -> Tensor:
    """Each image moved along a direction until it has a squared error, which grows on the way: found by halving."""
    low = torch.zeros(len(rgb), 1, 1, 1)
    high = torch.full_like(low, 512)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        far = (_squared_error(rgb, _add(rgb, middle * direction)) > error).view(-1, 1, 1, 1)
        low, high = torch.where(far, low, middle), torch.where(far, middle, high)
    return _add(rgb, low * direction)


def _add(rgb: Tensor, change: Tensor) -> Tensor:
    return (rgb + change).round().clamp(0, 255).to(torch.uint8)


def _squared_error(a: Tensor, b: Tensor) -> Tensor:
    return (a.float() - b.float()).square().mean(dim=(1, 2, 3))
