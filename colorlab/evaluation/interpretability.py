"""Semantic interpretability: the accuracy of a classifier of color photographs on colorized images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from colorlab.data import Batch
from colorlab.evaluation.statistics import gap_recovered, mcnemar, wilson
from colorlab.models import Classifier


@torch.inference_mode()
def classify(classifier: Classifier, rgb_batches: Iterable[Batch]) -> pd.DataFrame:
    """Classify images in ``eval()`` mode; the classifier's own mode is restored.

    Args:
        classifier: the labels are indices of its classes.
        rgb_batches: ``(rgb, labels)``: ``(N, 3, H, W)`` uint8 and ``(N,)``, such as a loader gives.

    Returns:
        A row per image in the given order: ``label``, the true class's name; ``top1``, whether it is the most
        probable class; ``top5``, whether it is among the five most probable (missing for five classes or fewer);
        ``probability`` of the true class in 0…1.

    Raises:
        ValueError: there are no images, or a label is not an index of the classes.
    """
    was_training = classifier.training
    classifier.eval()
    tables = [_judge(classifier, *batch) for batch in rgb_batches]
    classifier.train(was_training)
    if not tables:
        raise ValueError("there are no images to classify")
    return pd.concat(tables, ignore_index=True)


def _judge(classifier: Classifier, rgb: Tensor, labels: Tensor) -> pd.DataFrame:
    classes = len(classifier.classes)
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(f"labels must be indices of the classifier's {classes} classes, got {int(labels.max())}")
    return verdicts(classifier, classifier(rgb.to(classifier.mean.device)), labels)


def verdicts(classifier: Classifier, logits: Tensor, labels: Tensor) -> pd.DataFrame:
    """Return the table of :func:`classify` from logits ``(N, classes)``."""
    logits, truth = logits.float().cpu(), labels.cpu()[:, None]
    # The number of classes before the true one. Classes with an equal logit count, and so do all if logits are NaN:
    # a classifier without a decision is not right.
    others = logits.scatter(1, truth, -torch.inf)
    place = (~(others < logits.gather(1, truth))).sum(dim=1)
    known = (place < 5).tolist() if len(classifier.classes) > 5 else [pd.NA] * len(logits)
    return pd.DataFrame(
        {
            "label": [classifier.classes[i] for i in labels.tolist()],
            "top1": (place < 1).numpy(),
            "top5": pd.array(known, dtype="boolean"),
            # In float64, so that no probability is 0 and its logarithm is finite.
            "probability": logits.double().softmax(dim=1).gather(1, truth)[:, 0].numpy(),
        }
    )


def interpretability(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return a classifier's accuracies on the images of several models, with intervals and tests.

    Args:
        tables: name → the table of :func:`classify` for the same images: ``original``, ``gray``, and as each model
            colored them.

    Returns:
        A row for each name: ``n`` images; ``top1`` accuracy in 0…1 (higher is better) and its 95 % Wilson confidence
        interval, ``top1_low`` and ``top1_high``; likewise ``top5``, NaN with five classes or fewer;
        ``log_probability``, the mean natural logarithm of the true class's probability (up to 0, higher is better),
        which also shows changes that leave top-1 as it is;
        ``gap_recovered``, the share of the top-1 accuracy lost by gray that the model recovers (NaN without the rows
        ``original`` and ``gray``); ``p_gray``, the p value of McNemar's test of top-1 against gray.

    Raises:
        ValueError: the tables are not about the same images.

    Source: the original framework's ``eval-si``; Zhang, Isola and Efros, arXiv:1603.08511, section 3.1; Wilson 1927.
    """
    _check_same(tables)
    rows = {}
    for name, table in tables.items():
        row: dict[str, float] = {"n": len(table)}
        for column in ("top1", "top5"):
            known = table[column].dropna()
            found = wilson(int(known.sum()), len(known)) if len(known) else (float("nan"),) * 3
            row |= dict(zip((column, f"{column}_low", f"{column}_high"), found, strict=True))
        row["log_probability"] = (
            float(np.log(table["probability"]).mean()) if "probability" in table else float("nan")
        )
        rows[name] = row
    accuracies = pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")
    floor, ceiling = (float(accuracies["top1"].get(name, float("nan"))) for name in ("gray", "original"))
    accuracies["gap_recovered"] = [gap_recovered(value, floor, ceiling) for value in accuracies["top1"]]
    gray = tables.get("gray")
    accuracies["p_gray"] = [
        float("nan") if gray is None else mcnemar(table["top1"], gray["top1"]) for table in tables.values()
    ]
    return accuracies


def mcnemar_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the p values of McNemar's exact test of top-1 between every two models, as rows and columns.

    Arguments as for :func:`interpretability`. Some of many pairs differ by chance: compare with 0.05 divided by the
    number of pairs (Bonferroni).
    """
    _check_same(tables)
    return pd.DataFrame(
        {name: {other: mcnemar(a["top1"], b["top1"]) for other, b in tables.items()} for name, a in tables.items()}
    )


def _check_same(tables: Mapping[str, pd.DataFrame]) -> None:
    if not tables:
        raise ValueError("there are no tables to compare")
    first, reference = next(iter(tables.items()))
    for name, table in tables.items():
        if len(table) != len(reference) or list(table["label"]) != list(reference["label"]):
            raise ValueError(
                f"{first} and {name} are not about the same images in the same order ({len(reference)} and "
                f"{len(table)} images)"
            )
