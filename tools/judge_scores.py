"""Print what the cards of the judges say: how often classifiers are right, and how far the trunk agrees with LPIPS.

    COLORLAB_REAL_DATA=<folder with the tars> python tools/judge_scores.py

LPIPS is the genuine one, with the trunk ``squeeze``, whose weights come from beside the pictures or from torch hub.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import spearmanr

from colorlab import pretrained
from colorlab.data import PictureDataset, create_dataset
from colorlab.evaluation import PerceptualDistance, classify, coloured, grey, interpretability, mean_colour

REAL_DATA = Path(os.environ["COLORLAB_REAL_DATA"])
SQUEEZE = REAL_DATA.parent / "weights" / "squeezenet1_1-features.pth"
SIZE = 128
Table = npt.NDArray[np.float64]


def accuracies(name: str, testset: PictureDataset) -> None:
    """Of a classifier on test pictures: in colour, grey, and as each colorizer that ships colours them."""
    classifier = pretrained.load_classifier(name)
    results = {"original": testset.rgb, "grey": coloured(grey(), testset.rgb)}
    results |= {model: coloured(pretrained.load(model), testset.rgb) for model in pretrained.NAMES}
    labels = torch.tensor([classifier.classes.index(testset.classes[i]) for i in testset.labels.tolist()])
    batches = {model: zip(rgb.split(100), labels.split(100), strict=True) for model, rgb in results.items()}
    tables = {model: classify(classifier, given) for model, given in batches.items()}
    print(f"classifier-{name}\n{interpretability(tables).round(4).to_string()}\n")


def agreement() -> None:
    """Of distances by several means with LPIPS: ranks over all pairs, and over the colorizations of each picture."""
    rgb = create_dataset(str(REAL_DATA / "photos.tar"), "val", size=SIZE).rgb
    models = {"grey": grey(), "mean colour": mean_colour(create_dataset("placeholder", "train"))}
    models |= {name: pretrained.load(name) for name in pretrained.NAMES}
    results = [torch.cat([coloured(m, part) for part in rgb.split(50)]) for m in models.values()]
    lpips = PerceptualDistance("squeeze", SQUEEZE if SQUEEZE.exists() else None).distances(rgb, results).numpy()
    untrained = PerceptualDistance("colorlab")
    torch.manual_seed(0)
    untrained.network.net.apply(_forget)
    squared = [(result.double() - rgb.double()).square().mean(dim=(1, 2, 3)) for result in results]
    found = {
        "colorlab trunk": PerceptualDistance("colorlab").distances(rgb, results).numpy(),
        "the same with random weights": untrained.distances(rgb, results).numpy(),
        "mean squared error of RGB": torch.stack(squared).numpy(),
    }
    print(f"rank correlation with LPIPS: {len(models)} colorizations of {len(rgb)} photographs at {SIZE} px")
    for name, distances in found.items():
        everywhere = _interval(lambda some, d=distances: _rank(d[:, some], lpips[:, some]), len(rgb))
        each = [_rank(distances[:, [i]], lpips[:, [i]]) for i in range(len(rgb))]
        within = _interval(lambda some, e=each: float(np.nanmean(np.array(e)[some])), len(rgb))
        print(f"{name:30} over all pairs {everywhere}; within a picture {within}")


def _rank(a: Table, b: Table) -> float:
    return float(spearmanr(a.ravel(), b.ravel()).statistic)


def _interval(statistic: Callable[[npt.NDArray[np.int64]], float], n: int) -> str:
    """A statistic of pictures with its 95 % interval, by drawing the pictures anew 1,000 times."""
    rng = np.random.default_rng(0)
    low, high = np.percentile([statistic(rng.integers(n, size=n)) for _ in range(1000)], [2.5, 97.5])
    return f"{statistic(np.arange(n)):.3f} ({low:.3f} … {high:.3f})"


def _forget(layer: torch.nn.Module) -> None:
    if isinstance(layer, torch.nn.Conv2d):
        layer.reset_parameters()


if __name__ == "__main__":
    if "cifar10" in pretrained.CLASSIFIERS:
        accuracies("cifar10", create_dataset(str(REAL_DATA / "cifar10.tar"), "test", size=32))
    if "placeholder" in pretrained.CLASSIFIERS:
        accuracies("placeholder", create_dataset("placeholder", "test"))
    agreement()
