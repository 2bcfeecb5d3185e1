"""Confidence intervals and tests, computed by SciPy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """An estimate and the ends of its 95 % confidence interval."""

    estimate: float
    low: float
    high: float


def wilson(successes: int, n: int) -> Interval:
    """Return a proportion and its 95 % Wilson interval, which stays inside 0…1 and works for 0 and n successes.

    Args:
        successes: 0…n.
        n: trials, at least 1.

    Raises:
        ValueError: there are no trials, or more successes than trials.

    Source: Wilson 1927, doi:10.1080/01621459.1927.10502953.
    """
    from scipy.stats import binomtest

    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"successes must be in 0…n, with n at least 1, got {successes} of {n}")
    interval = binomtest(int(successes), int(n)).proportion_ci(CONFIDENCE, method="wilson")
    return Interval(successes / n, float(interval.low), float(interval.high))


def paired_bootstrap(differences: npt.ArrayLike) -> Interval:
    """Return the mean of differences by image and its 95 % confidence interval, from 9,999 resamples of the images.

    Use it to compare two models on the same images: what makes an image hard for both cancels, so the interval is
    narrower than the two separate ones. If it does not contain 0, the models differ.

    Args:
        differences: one per image, model minus other. Infinite ones and NaN (from the PSNR of equal images) are
            skipped.

    Returns:
        Mean and percentile interval, the same in every call.

    Raises:
        ValueError: there are fewer than 2 finite differences.

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
    """Return the mean difference of each model from a reference model, with its confidence interval.

    Args:
        table: scores by image, with the columns ``model``, ``image`` and ``score``.
        score: the column.
        reference: the model that the others are compared with.

    Returns:
        For each other model ``difference``, the mean of its values minus the reference's; ``low`` and ``high``, the
        95 % confidence interval of :func:`paired_bootstrap`; ``n``, the number of images with finite differences.
        For ``auc_rebalanced`` these are plain means over images, not weighted as in a summary.

    Raises:
        ValueError: the reference is missing, or the models are not scored on the same images.
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
    """Return the p value of McNemar's exact test of whether two models are equally accurate.

    Only images on which exactly one model is right count; equally good models win half of these each.

    Args:
        correct_a: a boolean per image.
        correct_b: the same images in the same order.

    Returns:
        The two-sided p value in 0…1; 1 if the two never differ.

    Raises:
        ValueError: the numbers of images differ.

    Source: McNemar 1947, doi:10.1007/BF02295996, with the binomial distribution instead of its approximation.
    """
    from scipy.stats import binomtest

    a, b = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    if a.shape != b.shape:
        raise ValueError(f"correct_a and correct_b must be about the same images, got {a.size} and {b.size}")
    a_alone, b_alone = int((a & ~b).sum()), int((b & ~a).sum())
    return float(binomtest(a_alone, a_alone + b_alone).pvalue) if a_alone + b_alone else 1.0


def gap_recovered(model: float, gray: float, original: float) -> float:
    """Return the share of the accuracy lost by gray that a model recovers: (model - gray)/(original - gray).

    0: as bad as gray; 1: as good as the originals; below 0: worse than gray. NaN if gray loses nothing.

    Source: from the accuracies of Zhang et al., arXiv:1603.08511, table 1: (56.0 - 52.7)/(68.3 - 52.7) = 0.21.
    """
    gap = original - gray
    return (model - gray) / gap if gap > 0 else float("nan")
