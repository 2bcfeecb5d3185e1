"""The pairs of the color Turing test, and what answers to them say; without any widget."""

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
"""Classes of `placeholder` whose true colors most people have never seen, or that have none but a dye's."""

CHECK = "gray (check)"
"""What those pairs are called that only check whether somebody looks."""

CHECK_EVERY = 10
"""One pair of so many is a check, as in the paper."""


class Trial(NamedTuple):
    """A pair.

    Attributes:
        image: its index in the dataset.
        model: whose colors are shown beside the true ones.
        real: the side on which these are, ``left`` or ``right``.
    """

    image: int
    model: str
    real: str


def schedule(images: int, models: Sequence[str], pairs: int, seed: int) -> tuple[Trial, ...]:
    """The pairs in their order, a function of the arguments alone.

    Args:
        images: how many there are; none is shown twice.
        models: each has its turn equally often, up to one pair.
        pairs: 1…``images``, checks included.
        seed: decides about images, order and sides.

    Raises:
        ValueError: no models, no pairs, or more pairs than images.
    """
    if not models:
        raise ValueError("models is empty; give at least one colorizer")
    if not 1 <= pairs <= images:
        raise ValueError(f"pairs must be in 1…{images}, the number of images, got {pairs}")
    draw = random.Random(seed)  # nothing secret hangs on this chance
    checks = pairs // CHECK_EVERY
    rivals = [CHECK] * checks + [models[i % len(models)] for i in range(pairs - checks)]
    draw.shuffle(rivals)
    chosen = draw.sample(range(images), pairs)
    return tuple(Trial(i, model, draw.choice(("left", "right"))) for i, model in zip(chosen, rivals, strict=True))


def familiar_things() -> ImageDataset:
    """The test images of `placeholder`, :data:`SIZE` pixels large, that show what people know the colors of."""
    every = create_dataset("placeholder", "test", size=SIZE)
    known = [i for i, label in enumerate(every.labels.tolist()) if every.classes[label] not in UNFAMILIAR]
    return ImageDataset(*every.pick(known), every.classes)


def fooled(answers: pd.DataFrame) -> pd.DataFrame:
    """How often each model's colors were taken for the true ones.

    Args:
        answers: with the columns ``model`` and ``fooled``.

    Returns:
        Indexed by ``model``: ``fooled``, ``n`` pairs, ``rate`` and the ends of its 95 % interval after Wilson,
        ``low`` and ``high``. A rate of 0.5 is what guessing gives, with colors that cannot be told from true ones.
    """
    rows = {}
    for model, values in answers.groupby("model", sort=False)["fooled"]:
        successes, n = int(values.sum()), len(values)
        rate, low, high = wilson(successes, n)
        rows[model] = {"fooled": successes, "n": n, "rate": rate, "low": low, "high": high}
    found = pd.DataFrame.from_dict(rows, orient="index", columns=["fooled", "n", "rate", "low", "high"])
    return found.rename_axis("model")
