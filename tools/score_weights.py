"""Print the scores in the model cards of the weights that ship, on unseen images.

    COLORLAB_REAL_DATA=<folder with the tars> make scores [ARGS="photos cifar10 judges"]
    COLORLAB_REAL_DATA=<folder with the tars> make sheet

These are errors beside both baselines, accuracies of the classifiers, and the trunk's agreement with LPIPS (trunk
``squeeze``, whose weights come from beside the images or from torch hub). ``sheet`` colorizes every eighth photograph
of ``photos`` val, unselected, into ``output/sheet.png``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from scipy.stats import spearmanr
from torch import Tensor
from torchvision.utils import make_grid

from colorlab import color, pretrained
from colorlab.data import ImageDataset, Split, create_dataset
from colorlab.evaluation import (
    PerceptualDistance,
    classify,
    colored,
    gray,
    interpretability,
    mean_color,
    score_images,
)
from colorlab.inference import enlarge, predict_ab
from colorlab.models import Colorizer

REAL_DATA = Path(os.environ.get("COLORLAB_REAL_DATA", "data"))
OUTPUT = Path("output")
SCORES = ("psnr", "mae", "ciede2000", "colorfulness")
AGREEMENT_SIZE = 128
Table = npt.NDArray[np.float64]


def images(name: str, split: Split, size: int) -> ImageDataset:
    """Return a split of one of the archives of real images."""
    return create_dataset(str(REAL_DATA / f"{name}.tar"), split, size=size)


def colorizers(size: int | None = None) -> dict[str, Colorizer]:
    """Return both baselines and the models that ship, at their working size or at ``size``."""
    models = {"gray": gray(), "mean color": mean_color(images("tinyimagenet", "train", 32))}
    models |= {name: pretrained.load(name) for name in pretrained.NAMES}
    for model in models.values():
        model.working_size = size or model.working_size
    return models


def genuine_lpips() -> PerceptualDistance:
    """Return LPIPS with the trunk ``squeeze``."""
    file = REAL_DATA.parent / "weights" / "squeezenet1_1-features.pth"
    return PerceptualDistance("squeeze", file if file.exists() else None)


def score(models: dict[str, Colorizer], rgb: Tensor) -> None:
    """Print scores of ``(N, 3, H, W)`` uint8 images, colored as by ``colorlab.colorize``, with confidence intervals.

    Gray images (mean |a|, |b| below 1), which equal the baseline, are skipped.
    """
    rgb = rgb[color.rgb_to_lab(rgb)[:, 1:].abs().mean(dim=(1, 2, 3)) >= 1]
    print(
        f"{len(rgb)} images at {rgb.shape[-1]} px; ± is half a 95 % interval; in brackets the mean paired gain "
        "over gray, then over the mean color"
    )
    lpips = genuine_lpips()
    references: list[dict[str, Tensor]] = []
    for name, model in models.items():
        parts = []
        for some in rgb.split(50):
            lab = color.rgb_to_lab(some)
            painted = paint(lab, predict(model, lab))
            parts.append(score_images(some, painted, SCORES) | {lpips.label: lpips(some, painted)})
        scores = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
        references = [*references, scores] if len(references) < 2 else references
        for key, value in scores.items():
            digits = 3 if key == lpips.label else 2
            gains = ", ".join(_mean(value - reference[key], f"+.{digits}f") for reference in references)
            print(f"{name:20}{key:24}{_mean(value, f'.{digits}f'):>18} [{gains}]", flush=True)
    print(f"{'truth':20}{'colorfulness':24}{_mean(color.colorfulness(rgb).double(), '.2f'):>18}\n")


def predict(model: Colorizer, lab: Tensor) -> Tensor:
    """Return a and b as :func:`colorlab.colorize` predicts them, ``(N, 2, H, W)`` in Lab units."""
    return torch.stack([enlarge(predict_ab(image[0], model), image[0]) for image in lab])


def paint(lab: Tensor, ab: Tensor) -> Tensor:
    """Return images with the L of ``lab`` and colors ``ab``, uint8 RGB."""
    return color.to_uint8(color.lab_to_rgb(color.fit_to_gamut(torch.cat([lab[:, :1], ab], dim=1))))


def _mean(values: Tensor, form: str) -> str:
    return f"{float(values.mean()):{form}} ± {1.96 * float(values.std()) / len(values) ** 0.5:{form.strip('+')}}"


def accuracies(name: str, testset: ImageDataset) -> None:
    """Print a classifier's accuracies on test images: in color, gray, and as colored by each model that ships."""
    classifier = pretrained.load_classifier(name)
    results = {"original": testset.rgb, "gray": colored(gray(), testset.rgb)}
    results |= {model: colored(pretrained.load(model), testset.rgb) for model in pretrained.NAMES}
    labels = torch.tensor([classifier.classes.index(testset.classes[i]) for i in testset.labels.tolist()])
    batches = {model: zip(rgb.split(100), labels.split(100), strict=True) for model, rgb in results.items()}
    tables = {model: classify(classifier, given) for model, given in batches.items()}
    print(f"classifier-{name}\n{interpretability(tables).round(4).to_string()}\n")


def agreement() -> None:
    """Print rank correlations of several distances with LPIPS, over all pairs and within each image."""
    rgb, models = images("photos", "val", AGREEMENT_SIZE).rgb, colorizers()
    results = [torch.cat([colored(m, part) for part in rgb.split(50)]) for m in models.values()]
    lpips = genuine_lpips().distances(rgb, results).numpy()
    untrained = PerceptualDistance("colorlab")
    torch.manual_seed(0)
    untrained.network.net.apply(_forget)
    squared = [(result.double() - rgb.double()).square().mean(dim=(1, 2, 3)) for result in results]
    found = {
        "colorlab trunk": PerceptualDistance("colorlab").distances(rgb, results).numpy(),
        "the same with random weights": untrained.distances(rgb, results).numpy(),
        "mean squared error of RGB": torch.stack(squared).numpy(),
    }
    print(
        f"rank correlation with LPIPS: {len(models)} colorizations of {len(rgb)} photographs at {AGREEMENT_SIZE} px"
    )
    for name, distances in found.items():
        everywhere = _interval(lambda some, d=distances: _rank(d[:, some], lpips[:, some]), len(rgb))
        each = [_rank(distances[:, [i]], lpips[:, [i]]) for i in range(len(rgb))]
        within = _interval(lambda some, e=each: float(np.nanmean(np.array(e)[some])), len(rgb))
        print(f"{name:30} over all pairs {everywhere}; within an image {within}")


def _rank(a: Table, b: Table) -> float:
    return float(spearmanr(a.ravel(), b.ravel()).statistic)


def _interval(statistic: Callable[[npt.NDArray[np.int64]], float], n: int) -> str:
    """Return a statistic of images with its 95 % confidence interval, from 1,000 bootstrap samples."""
    rng = np.random.default_rng(0)
    low, high = np.percentile([statistic(rng.integers(n, size=n)) for _ in range(1000)], [2.5, 97.5])
    return f"{statistic(np.arange(n)):.3f} ({low:.3f} … {high:.3f})"


def _forget(layer: torch.nn.Module) -> None:
    if isinstance(layer, torch.nn.Conv2d):
        layer.reset_parameters()


def sheet() -> None:
    """Draw a column for each of 24 photographs, in two blocks: gray, each model's colors, original."""
    rgb = images("photos", "val", 256).rgb[::8][:24]
    lab = color.rgb_to_lab(rgb)
    models = {"gray": gray()} | {name: pretrained.load(name) for name in pretrained.NAMES}
    rows = [paint(lab, predict(model, lab)) for model in models.values()] + [rgb]
    blocks = [row[start : start + 12] for start in (0, 12) for row in rows]
    OUTPUT.mkdir(exist_ok=True)
    Image.fromarray(make_grid(torch.cat(blocks), nrow=12).movedim(0, -1).numpy()).save(OUTPUT / "sheet.png")
    print(f"rows: {', '.join(models)}, truth; in {OUTPUT / 'sheet.png'}")


def main(names: list[str]) -> None:
    """Print the given parts."""
    if "photos" in names:
        score(colorizers(), images("photos", "val", 256).rgb)
    if "cifar10" in names:
        score(colorizers(32), images("cifar10", "test", 32).rgb)
    if "judges" in names:
        for name in pretrained.CLASSIFIERS:
            accuracies(name, create_dataset(name, "test") if name == "placeholder" else images(name, "test", 32))
        agreement()
    if "sheet" in names:
        sheet()


if __name__ == "__main__":
    main(sys.argv[1:] or ["photos", "cifar10", "judges"])
