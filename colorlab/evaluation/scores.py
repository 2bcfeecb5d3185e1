"""Scores of colorizers on a data set: a table with a row per image, and its means with standard errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from colorlab.data import ImageDataset
from colorlab.evaluation.definitions import SCORES, Score, Seen
from colorlab.evaluation.perceptual import PerceptualDistance
from colorlab.models import Colorizer, colored_lab

__all__ = ["DEFAULT", "SCORES", "Score", "compare", "score", "score_images", "summary"]

DEFAULT = ("mse", "mae", "psnr")
"""The scores that are computed unless others are named: errors of the colors, all quick."""

_NOT_SCORES = ("model", "image", "label")


@torch.inference_mode()
def score_images(originals: Tensor, results: Tensor, scores: Sequence[str] = DEFAULT) -> dict[str, Tensor]:
    """Scores of resulting images against their originals.

    Args:
        originals: ``(N, 3, H, W)`` uint8 RGB.
        results: the same shape, on the same device.
        scores: names out of :data:`SCORES`.

    Returns:
        Name → ``(N,)`` float64 on the CPU, in the order asked for; then what a :func:`summary` of them needs
        (``auc_weight`` for ``auc_rebalanced``, ``colorfulness_gain`` for ``colorfulness_difference``).

    Raises:
        ValueError: an unknown score, or images that are not of one shape and uint8.
    """
    return _score(Seen(originals), Seen(results), with_needs(scores))


def with_needs(scores: Sequence[str]) -> tuple[str, ...]:
    """Checked names of scores, and after them those that a summary of them needs."""
    return tuple(dict.fromkeys([*scores, *(needed for name in scores for needed in SCORES.find(name).needs)]))


def _score(original: Seen, result: Seen, scores: Sequence[str]) -> dict[str, Tensor]:
    if original.rgb.shape != result.rgb.shape:
        raise ValueError(
            f"originals and results must have one shape, got {tuple(original.rgb.shape)} and "
            f"{tuple(result.rgb.shape)}"
        )
    return {name: SCORES[name].of(original, result) for name in scores}


@torch.inference_mode()
def compare(
    models: Mapping[str, Colorizer],
    dataset: ImageDataset,
    *,
    scores: Sequence[str] = DEFAULT,
    perceptual: PerceptualDistance | None = None,
    original: bool = False,
    batch_size: int = 100,
) -> pd.DataFrame:
    r"""Scores of several colorizers that see the L\* of the same images, in one pass over these.

    What depends on the originals alone (Lab, features for perceptual distance) is computed once for all models.

    Args:
        models: name → colorizer; used in ``eval()`` mode, each on its device, and left in the mode it came in.
        dataset: images of a size that all models take.
        scores: names out of :data:`SCORES`.
        perceptual: measures a further column, named by its label.
        original: score the originals as well, as the first model, named ``original``: the ceiling of every score.
        batch_size: images at a time.

    Returns:
        A row per model and image, the models one under the other in their order: ``model``; ``image``, its index
        in the data set; ``label``, the class's name; the scores, and after them those that :func:`summary` needs.

    Raises:
        ValueError: an unknown score, or images of a size that a model or a score does not take.
    """
    names = with_needs(scores)
    columns = (*scores, *([perceptual.label] if perceptual else []), *names[len(dict.fromkeys(scores)) :])
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in (["original"] if original else []) + list(models)}
    modes = {name: model.training for name, model in models.items()}
    labels: list[str] = []
    for model in models.values():
        model.eval()
    try:
        for rgb, numbers in dataset.batches(batch_size):
            # Of what was read: another image stands in for one that cannot be.
            labels += [dataset.classes[i] for i in numbers.tolist()]
            seen = Seen(rgb)
            results = {"original": seen} if original else {}
            results |= {
                name: Seen(colored_lab(model, seen.lab.to(_device(model))).cpu()) for name, model in models.items()
            }
            distances = perceptual.distances(rgb, [result.rgb for result in results.values()]) if perceptual else None
            for i, (name, result) in enumerate(results.items()):
                values = _score(seen, result, names)
                if perceptual and distances is not None:
                    values[perceptual.label] = distances[i]
                parts[name].append(pd.DataFrame({column: values[column].numpy() for column in columns}))
    finally:
        for name, model in models.items():
            model.train(modes[name])
    tables = []
    for name, rows in parts.items():
        table = pd.concat(rows, ignore_index=True)
        table.insert(0, "model", name)
        table.insert(1, "image", range(len(dataset)))
        table.insert(2, "label", labels)
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def score(
    model: Colorizer, dataset: ImageDataset, *, batch_size: int = 100, scores: Sequence[str] = DEFAULT
) -> pd.DataFrame:
    """:func:`compare` of one colorizer, without the column ``model``."""
    return compare({"": model}, dataset, scores=scores, batch_size=batch_size).drop(columns="model")


def summary(table: pd.DataFrame) -> pd.DataFrame:
    r"""Means over images and their standard errors, a row per model in the table's order.

    Args:
        table: what :func:`compare` gives, or any table with a column ``model`` and scores by image, such as
            :func:`colorlab.evaluation.classify`'s.

    Returns:
        Indexed by ``model``: for each score its mean and, as ``<score>_se``, the standard error of the mean (not a
        number for one image alone); ``n``, the number of images. Three columns are more than a mean:

        * ``psnr`` is infinite for a model that meets all images exactly; else it is the mean over images that no
          such other model meets exactly, so that all means are about the same images (gray meets gray ones);
        * ``auc_rebalanced`` is the mean weighted by ``auc_weight``, which is the published value over all pixels; its
          standard error is that of a ratio of means (delta method; Cochran, *Sampling techniques*, 1977, eq. 2.46);
        * ``colorfulness_difference_of_means``, for ``colorfulness_difference``: \|mean colorfulness of the results
          minus that of the originals\|, the papers' form.
    """
    columns = [column for column in scores_of(table) if column != "auc_weight"]
    numbers = {column: table[column].to_numpy(dtype="float64", na_value=np.nan) for column in columns}
    if "psnr" in columns:
        numbers["psnr"] = _comparable(table.assign(psnr=numbers["psnr"]))
    rows = {}
    for model in table["model"].unique():
        index = np.flatnonzero(table["model"] == model)
        row: dict[str, float] = {}
        for column in columns:
            values = numbers[column][index]
            weights = table["auc_weight"].to_numpy()[index] if column == "auc_rebalanced" else None
            row[column], row[f"{column}_se"] = _mean(values, weights)
            if column == "colorfulness_gain" and "colorfulness_difference" in columns:
                row["colorfulness_difference_of_means"] = abs(row[column])
        rows[model] = {**row, "n": len(index)}
    means = pd.DataFrame.from_dict(rows, orient="index")
    means.index.name = "model"
    return means


def scores_of(table: pd.DataFrame) -> list[str]:
    """The columns of a table by image that hold scores: all but those that say which model and which image."""
    return [column for column in table.columns if column not in _NOT_SCORES]


def _comparable(table: pd.DataFrame) -> npt.NDArray[np.float64]:
    """PSNRs, without those of images that a model meets exactly which does not meet all."""
    image = table["image"] if "image" in table else table.groupby("model").cumcount()
    infinite = table["psnr"] == np.inf
    perfect = infinite.groupby(table["model"]).transform("all")
    met = image[infinite & ~perfect]
    return table["psnr"].mask(image.isin(met) & ~perfect).to_numpy()


def _mean(values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64] | None = None) -> tuple[float, float]:
    """Mean and its standard error."""
    finite = np.isfinite(values)
    if not finite.any():
        return float(values[0]), float("nan")
    values = values[finite]
    if weights is None:
        n = len(values)
        return float(values.mean()), float(values.std(ddof=1) / n**0.5) if n > 1 else float("nan")
    share = weights[finite] / weights[finite].mean()
    mean = float((share * values).mean())
    residuals = share * (values - mean)
    residuals[np.abs(residuals) < 1e-9 * abs(mean)] = 0  # rounding, where all values are equal
    return mean, float(residuals.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else float("nan")


def _device(model: Colorizer) -> torch.device:
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")
