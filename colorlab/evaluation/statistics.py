"""How sure a number is: intervals and tests, all by SciPy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """An estimate and the ends of its 95 % interval."""

    estimate: float
    low: float
    high: float


def wilson(successes: int, n: int) -> Interval:
    """A proportion and its 95 % interval after Wilson, which stays inside 0…1 and works for 0 and n successes.

    Args:
        successes: 0…n.
        n: trials, at least 1.

    Raises:
        ValueError: no trials, or more successes than trials.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    from scipy.stats import binomtest

    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"successes must be among n trials, n at least 1; got {successes} of {n}")
    interval = binomtest(int(successes), int(n)).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(successes / n, float(interval.low), float(interval.high))


def paired_bootstrap(differences: npt.ArrayLike) -> Interval:
    """The mean of differences by image and its 95 % interval, by resampling the images 9,999 times.

    Two models that are scored on the same images are compared by these differences: what makes an image hard for
    both cancels, which their two separate intervals do not know. An interval without 0 tells them apart.

    Args:
        differences: one per image, model minus other. Those that are not finite (a PSNR of an image met exactly)
            are left out.

    Returns:
        Mean and percentile interval, the same in every call.

    Raises:
        ValueError: fewer than 2 finite differences.

    Source: Efron and Tibshirani, *An introduction to the bootstrap*, 1993, section 13.3; computed by SciPy.
    """
    from scipy.stats import bootstrap

    values = np.asarray(differences, dtype=np.float64).ravel()
    values = values[np.isfinite(values)]
    if len(values) < 2:
        raise ValueError(f"differences must hold at least 2 finite numbers, got {len(values)}")
    interval = bootstrap(
        (values,),
        np.mean,
        confidence_level=CONFIDENCE,
        method="percentile",
        batch=max(1, 2_000_000 // len(values)),  # resamples at a time, 16 MB
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Interval(float(values.mean()), float(interval.low), float(interval.high))


def differences(table: pd.DataFrame, score: str, reference: str = "gray") -> pd.DataFrame:
    """By how much models differ from one of them, image by image.

    Args:
        table: scores by image, with the columns ``model``, ``image`` and ``score``.
        score: the column.
        reference: the model that the others are compared with.

    Returns:
        For each other model the mean of its values minus the reference's, ``difference``, and the ends of the 95 %
        interval of :func:`paired_bootstrap`, ``low`` and ``high``; ``n``, the number of images used: those with
        finite differences. Of ``auc_rebalanced`` these are plain means over images, not the weighted ones of a
        summary.

    Raises:
        ValueError: no such model, or models that are not scored on the same images.
    """
    if reference not in set(table["model"]):
        raise ValueError(f"no model {reference!r} in the table; there are {', '.join(table['model'].unique())}")
    values = table.pivot(index="image", columns="model", values=score)[list(table["model"].unique())]
    if len(values) * values.shape[1] != len(table):
        raise ValueError("models must be scored on the same images")
    against = values.astype("float64").sub(values[reference].astype("float64"), axis=0)
    rows = {name: paired_bootstrap(against[name]) for name in values.columns if name != reference}
    found = pd.DataFrame.from_dict(rows, orient="index", columns=["difference", "low", "high"]).rename_axis("model")
    found["n"] = [int(np.isfinite(against[name]).sum()) for name in rows]
    return found


def mcnemar(correct_a: npt.ArrayLike, correct_b: npt.ArrayLike) -> float:
    """McNemar's exact test: could two models that are right about different images be equally good?

    Only images on which exactly one is right tell; were both equally good, each would win half of them.

    Args:
        correct_a: a boolean per image.
        correct_b: the same images in the same order.

    Returns:
        The two-sided p value in 0…1; 1 where the two never differ.

    Raises:
        ValueError: not equally many images.

    Source: McNemar 1947, doi:10.1007/BF02295996, with the binomial distribution instead of its approximation.
    """
    from scipy.stats import binomtest

    a, b = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    if a.shape != b.shape:
        raise ValueError(f"correct_a and correct_b must be about the same images, got {a.size} and {b.size}")
    a_alone, b_alone = int((a & ~b).sum()), int((b & ~a).sum())
    return float(binomtest(a_alone, a_alone + b_alone).pvalue) if a_alone + b_alone else 1.0


def gap_recovered(model: float, gray: float, original: float) -> float:
    """Which share of the accuracy that gray costs a model brings back: (model - gray)/(original - gray).

    0 as bad as gray, 1 as good as the originals; below 0 where colors mislead. Not a number where gray costs nothing
    (gray at or above the originals).

    Source: from the accuracies of Zhang et al., arXiv:1603.08511, table 1: (56.0 - 52.7)/(68.3 - 52.7) = 0.21.
    """
    gap = original - gray
    return (model - gray) / gap if gap > 0 else float("nan")
