"""Stored scores by image, for readers without the weights or the photographs that they need.

``lpips_squeeze.csv`` holds LPIPS (trunk SqueezeNet 1.1) for the test images of ``placeholder``, as the baselines and
the shipped weights color them, and as :func:`altered` changes them. Its first lines say how it was computed;
``tools/lpips_table.py`` made it. Do not mix its numbers with those of another trunk.

``photo_scores.csv`` holds scores of 192 photographs of 256 px that no colorizer here has seen, and the answers of the
judge ``imagenet``: originals, gray, the mean color, the shipped weights, and the styles of the default colorizer;
``tools/photo_scores.py`` made it.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as transforms

FILE = Path(__file__).with_name("lpips_squeeze.csv")

PHOTOS = Path(__file__).with_name("photo_scores.csv")

HUES = Path(__file__).with_name("hue_and_chroma.csv")

PRETRAINING = Path(__file__).with_name("pretraining.csv")

RUNS = Path(__file__).with_name("training_runs.csv")

HINTS = Path(__file__).with_name("hints.csv")

ZHANG_2017 = {0: 24.43, 1: 25.37, 2: 26.20, 5: 27.39, 10: 28.42, 20: 29.34, 50: 30.42, 100: 31.13, 200: 31.70}
"""Hints → PSNR in dB, on 1,000 images of ImageNet at 256 px: Zhang et al., arXiv:1705.02999, from their figure."""

LABEL = "LPIPS v0.1 (squeeze)"
"""The label of the table's numbers (:attr:`colorlab.evaluation.PerceptualDistance.label`)."""

EXAMPLE = {"ex_p0": 0.711048, "ex_p1": 0.147902}
"""Distances to ``ex_ref`` with the original weights of SqueezeNet 1.1, for the example images of LPIPS's authors
(``imgs/`` in github.com/richzhang/PerceptualSimilarity), to check weights with."""

SIZES = (32, 64)
"""Image sizes in the table, pixels."""

_SIGMA = 1.0  # of the blur, pixels
_HALVINGS = 20  # give an amplitude in 0…512 to a thousandth


def lpips_table(size: int = SIZES[0]) -> pd.DataFrame:
    """Return LPIPS of changed test images of ``placeholder``, a row per change and image.

    Args:
        size: of the images, one of :data:`SIZES`.

    Returns:
        ``model``: ``gray``, ``mean color``, the shipped weights, then the names that :func:`altered` gives;
        ``image``, its index in the dataset; ``label``, the class's name; and :data:`LABEL`, from 0, lower is more
        similar. The columns are those of :func:`colorlab.evaluation.compare`, so the two can be merged.

    Raises:
        ValueError: the size is not in the table.
    """
    if size not in SIZES:
        raise ValueError(f"size must be {' or '.join(map(str, SIZES))} pixels, as in the stored table, got {size}")
    table = pd.read_csv(FILE, comment="#")
    table = table[table["size"] == size].drop(columns="size")
    long = table.melt(["image", "label"], var_name="model", value_name=LABEL)
    return long[["model", "image", "label", LABEL]]


def photo_scores() -> pd.DataFrame:
    """Return scores of unseen photographs at 256 px, a row per model and photograph.

    Returns:
        ``model``: ``original``, ``gray``, ``mean color``, the default's styles, then other shipped weights;
        ``image``, ``label``, a WordNet id; ``psnr`` in dB; ``mae`` of a and b in Lab units; ``ciede2000``;
        ``colorfulness``, also of the originals; ``lpips`` with SqueezeNet; ``top1``, ``top5`` and ``probability``
        of the judge ``imagenet``.
    """
    return pd.read_csv(PHOTOS, comment="#").astype({"top1": bool, "top5": bool})


def judged_photos() -> dict[str, pd.DataFrame]:
    """Return an ImageNet classifier's answers for photographs, for :func:`colorlab.evaluation.interpretability`.

    Returns:
        Each model of :func:`photo_scores` → a table as from :func:`colorlab.evaluation.classify`, the labels as
        WordNet ids.
    """
    return _by_model(photo_scores()[["model", "image", "label", "top1", "top5", "probability"]])


def hue_and_chroma() -> dict[str, pd.DataFrame]:
    """Return the same classifier's answers for the same photographs with other colors.

    ``tools/hue_table.py`` made the table.

    Returns:
        What was done to the colors, such as ``opposite hue, true chroma`` → a table as of :func:`judged_photos`.
    """
    return _by_model(pd.read_csv(HUES, comment="#").astype({"top1": bool, "top5": bool}))


def _by_model(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    return {str(name): rows.reset_index(drop=True) for name, rows in table.groupby("model", sort=False)}


def lpips_provenance() -> str:
    """Return from what, when and with which versions :func:`lpips_table` was computed."""
    return _provenance(FILE)


def photo_provenance() -> str:
    """Return from what and with which versions :func:`photo_scores` was computed."""
    return _provenance(PHOTOS)


def _provenance(file: Path) -> str:
    lines = file.read_text(encoding="utf-8").splitlines()
    return "\n".join(line.removeprefix("#").strip() for line in lines if line.startswith("#"))


def hint_curve() -> pd.DataFrame:
    """Return the effect of hints on the default colorizer, on unseen photographs.

    ``hints.csv`` holds it; its first lines say what was measured, and ``tools/score_hints.py --write`` made it.

    Returns:
        A row for each way to follow hints and number of hints: ``way``; ``hints``; ``psnr``, the mean in dB;
        ``gain``, the mean paired difference to the output without hints; ``half``, half its 95 % confidence
        interval.
    """
    return pd.read_csv(HINTS, comment="#")


def pretraining() -> pd.DataFrame:
    """Return what the same minutes of training gave with a pretrained encoder, a random one, and ``resnet``.

    ``tools/pretraining_table.py`` made the table.

    Returns:
        A row per ``network``, also ``gray`` and ``mean color``: ``minutes`` and ``images`` of training; ``psnr_gain``
        over gray in dB, with half its 95 % confidence interval ``psnr_gain_half``; ``colorfulness_share`` of the
        originals; ``mae`` in Lab units; ``lpips``.
    """
    return pd.read_csv(PRETRAINING, comment="#")


def training_run(name: str) -> pd.DataFrame:
    """Return the statistics of the last training stage of a shipped model, as training saw them.

    Args:
        name: of the weights, such as ``nazerigan32``.

    Returns:
        A row for every 20 batches: ``images`` seen, ``minutes``, and the batch's statistics: ``loss``, of a GAN also
        ``l1``, ``d_loss``, ``d_real`` and ``d_fake``.

    Raises:
        ValueError: no run with this name is stored.
    """
    table = pd.read_csv(RUNS, comment="#")
    found = table[table["model"] == name].drop(columns="model").dropna(axis=1, how="all").reset_index(drop=True)
    if found.empty:
        raise ValueError(f"no run of {name!r} is stored; there are {', '.join(sorted(set(table['model'])))}")
    return found


def altered(rgb: Tensor) -> dict[str, Tensor]:
    """Return images with changes that look different but have the same squared error, or a misleading one.

    Args:
        rgb: ``(N, 3, H, W)`` uint8.

    Returns:
        Name → images of the same shape: ``blurred`` by a Gaussian of σ 1 pixel; ``noisy``, with independent normal
        noise per pixel and channel; ``brighter``, with a constant added; ``shifted`` right by a pixel, the left
        column repeated. ``noisy`` and ``brighter`` have the squared error of ``blurred``, image by image (up to
        rounding, and a little less where values reach white). The same in every call.
    """
    # 8 σ and odd
    blurred = transforms.gaussian_blur(rgb, kernel_size=9, sigma=_SIGMA)
    error = _squared_error(rgb, blurred)
    noise = torch.randn(rgb.shape, generator=torch.Generator().manual_seed(0))
    return {
        "blurred": blurred,
        "noisy": _move(rgb, noise, error),
        "brighter": _move(rgb, torch.ones(rgb.shape), error),
        "shifted": torch.cat([rgb[..., :1], rgb[..., :-1]], dim=-1),
    }


def _move(rgb: Tensor, direction: Tensor, error: Tensor) -> Tensor:
    """Move each image along a direction until it has the given squared error, found by bisection."""
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
