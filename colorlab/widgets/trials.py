"""Choose the pairs of the color Turing test and evaluate the answers; without widgets."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from colorlab.data import ImageDataset, create_dataset
from colorlab.evaluation import wilson

SIZE = 256
"""Side of the images in pixels, as in the paper."""

UNFAMILIAR = frozenset({"galaxies", "retina", "tissue"})
"""Classes of `placeholder` whose true colors most people do not know, or that are stained."""

CHECK = "gray (check)"
"""Model name of the pairs that check the user's attention."""

CHECK_EVERY = 10
"""One pair in this many is a check, as in the paper."""


class Trial(NamedTuple):
    """Hold a pair of a true and a colorized image.

    Attributes:
        image: index in the dataset.
        model: name of the colorizer.
        real: side of the true image, ``left`` or ``right``.
    """

    image: int
    model: str
    real: str


def schedule(images: int, models: Sequence[str], pairs: int, seed: int) -> tuple[Trial, ...]:
    """Return the pairs in their order, a function of the arguments alone.

    Args:
        images: number of images; none is shown twice.
        models: names of the models; their numbers of pairs differ by at most one.
        pairs: 1…``images``, checks included.
        seed: random seed for images, order and sides.

    Raises:
        ValueError: there are no models, no pairs, or more pairs than images.
    """
    if not models:
        raise ValueError("models is empty; give at least one colorizer")
    if not 1 <= pairs <= images:
        raise ValueError(f"pairs must be in 1…{images}, the number of images, got {pairs}")
    draw = random.Random(seed)
    checks = pairs // CHECK_EVERY
    rivals = [CHECK] * checks + [models[i % len(models)] for i in range(pairs - checks)]
    draw.shuffle(rivals)
    chosen = draw.sample(range(images), pairs)
    return tuple(Trial(i, model, draw.choice(("left", "right"))) for i, model in zip(chosen, rivals, strict=True))


def familiar_things() -> ImageDataset:
    """Return the test images of `placeholder`, :data:`SIZE` pixels large, whose colors people know."""
    every = create_dataset("placeholder", "test", size=SIZE)
    known = [i for i, label in enumerate(every.labels.tolist()) if every.classes[label] not in UNFAMILIAR]
    return ImageDataset(*every.pick(known), every.classes)


def fooled(answers: pd.DataFrame) -> pd.DataFrame:
    """Return how often each model's colors were taken for the true ones.

    Args:
        answers: a table with the columns ``model`` and ``fooled``.

    Returns:
        Indexed by ``model``: ``fooled``, ``n`` pairs, ``rate`` and its 95 % Wilson confidence interval, ``low`` and
        ``high``. Guessing gives a rate of 0.5.
    """
    rows = {}
    for model, values in answers.groupby("model", sort=False)["fooled"]:
        successes, n = int(values.sum()), len(values)
        rate, low, high = wilson(successes, n)
        rows[model] = {"fooled": successes, "n": n, "rate": rate, "low": low, "high": high}
    found = pd.DataFrame.from_dict(rows, orient="index", columns=["fooled", "n", "rate", "low", "high"])
    return found.rename_axis("model")
