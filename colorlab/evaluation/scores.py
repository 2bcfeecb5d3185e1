"""Scores of colorizers on a data set: a table with a row per image, and its means with standard errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from colorlab.data import ImageDataset, create_loader
from colorlab.evaluation.definitions import SCORES, Score, Seen
from colorlab.evaluation.frechet import Moments
from colorlab.evaluation.interpretability import verdicts
from colorlab.evaluation.judges import ImageNetJudge, refuse_own_encoder, true_classes
from colorlab.evaluation.perceptual import PerceptualDistance
from colorlab.models import Classifier, Colorizer, colored_lab

__all__ = ["DEFAULT", "SCORES", "Score", "compare", "score", "score_images", "summary"]

DEFAULT = ("mse", "mae", "psnr")
"""The scores that are computed unless others are named: errors of the colors, all quick."""

_NOT_SCORES = ("model", "image", "label")
_PIXELS_AT_A_TIME = 2**16
"""Of which scores are computed at once: so many stay in a processor's cache."""


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
    # What equals its original has the best value, by the definition of `best`.
    known = {name: SCORES[name].best for name in scores} if result is original else {}
    return {
        name: SCORES[name].of(original, result)
        if (best := known.get(name)) is None
        else torch.full((len(original.rgb),), best, dtype=torch.float64)
        for name in scores
    }


class Batch(NamedTuple):
    """Some images of a test set and what models made of them, all uint8 ``(N, 3, H, W)``.

    Attributes:
        images: what the table calls each image: its index, or its name.
        labels: the names of their classes.
        files: the names of their files, empty where there are none.
        original: the images.
        results: model → its images; the originals themselves may be among them.
    """

    images: Sequence[object]
    labels: Sequence[str]
    files: Sequence[str]
    original: Seen
    results: Mapping[str, Tensor]


@dataclass
class Measures:
    """What one pass over a test set measures, and what it has measured so far.

    Of the originals, Lab, local means, features and logits are computed once for all models.

    Args:
        scores: names out of :data:`SCORES`.
        perceptual: measures a further column, named by its label.
        classifier: judges whether images are recognized, three further columns.
        frechet: gather the features of the classifier, an :class:`ImageNetJudge`, for Fréchet distances.

    Attributes:
        tables: model → a table for each batch.
        moments: model → of its features.
    """

    scores: Sequence[str] = DEFAULT
    perceptual: PerceptualDistance | None = None
    classifier: Classifier | None = None
    frechet: bool = False
    tables: dict[str, list[pd.DataFrame]] = field(default_factory=dict)
    moments: dict[str, Moments] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._names = with_needs(self.scores)

    @torch.inference_mode()
    def add(self, batch: Batch) -> None:
        """Measure a batch."""
        found = self._score(batch)
        if self.perceptual:
            distances = self.perceptual.distances(batch.original.rgb, list(batch.results.values()))
            for columns, values in zip(found.values(), distances, strict=True):
                columns[self.perceptual.label] = values.numpy()
        if self.classifier:
            truth = true_classes(self.classifier, batch.labels, batch.files)
            for model, rgb in batch.results.items():
                found[model] |= self._recognize(model, self.classifier, rgb, truth)
        needs = self._names[len(dict.fromkeys(self.scores)) :]
        for model, columns in found.items():
            ordered = {name: columns[name] for name in (*(c for c in columns if c not in needs), *needs)}
            who = {"model": model, "image": batch.images, "label": batch.labels}
            self.tables.setdefault(model, []).append(pd.DataFrame(who | ordered))

    def _score(self, batch: Batch) -> dict[str, dict[str, npt.ArrayLike]]:
        at_once = max(1, _PIXELS_AT_A_TIME // batch.original.rgb[0, 0].numel())
        parts: dict[str, list[dict[str, Tensor]]] = {model: [] for model in batch.results}
        for number, original in enumerate(batch.original.split(at_once)):
            some = slice(number * at_once, (number + 1) * at_once)
            for model, rgb in batch.results.items():
                seen = original if rgb is batch.original.rgb else Seen(rgb[some])
                parts[model].append(_score(original, seen, self._names))
        return {
            model: {name: torch.cat([part[name] for part in found]).numpy() for name in self._names}
            for model, found in parts.items()
        }

    def _recognize(self, model: str, classifier: Classifier, rgb: Tensor, truth: Tensor) -> dict[str, npt.ArrayLike]:
        rgb = rgb.to(classifier.mean.device)
        if isinstance(classifier, ImageNetJudge):
            features, logits = classifier.embed(rgb)
            if self.frechet:
                self.moments.setdefault(model, Moments()).add(features)
        else:
            logits = classifier(rgb)
        table = verdicts(classifier, logits, truth)
        return {name: table[name].array for name in ("top1", "top5", "probability")}

    @property
    def done(self) -> int:
        """The number of images measured."""
        return sum(map(len, next(iter(self.tables.values()), [])))

    def table(self) -> pd.DataFrame:
        """Return a row per model and image, the models one under the other."""
        return pd.concat([part for parts in self.tables.values() for part in parts], ignore_index=True)


def measure_all(
    measures: Measures,
    batches: Iterable[Batch],
    total: int,
    task: str,
    after_batch: Callable[[], object] = lambda: None,
) -> pd.DataFrame:
    """Go once over a test set, with a progress bar on standard error where that takes more than 2 seconds.

    Args:
        measures: what to measure; those that have measured some images already go on behind them.
        batches: the images, in order.
        total: their number, with those that were measured before.
        task: what the bar says.
        after_batch: called when a batch is measured.
    """
    with tqdm(total=total, initial=measures.done, unit="image", desc=task, disable=None, delay=2) as bar:
        for batch in batches:
            measures.add(batch)
            bar.update(len(batch.labels))
            after_batch()
    return measures.table()


def colorizations(
    models: Mapping[str, Colorizer],
    dataset: ImageDataset,
    *,
    batch_size: int,
    original: bool = False,
    device: torch.device | None = None,
    workers: int = 0,
    start: int = 0,
) -> Iterator[Batch]:
    r"""Yield a data set's images with what colorizers make of their L\*, each on its own device.

    Args:
        models: name → colorizer in ``eval()`` mode.
        dataset: the images.
        batch_size: images at a time.
        original: put the originals first among the results, named ``original``.
        device: on which the images are scored; by default the CPU.
        workers: processes that read files.
        start: the image to begin with, a multiple of ``batch_size``.
    """
    loader, order = create_loader(dataset, batch_size, workers=workers)
    order.start = start // batch_size
    for rgb, numbers in loader:
        seen = Seen(rgb.to(device) if device else rgb)
        results = {"original": seen.rgb} if original else {}
        for name, model in models.items():
            results[name] = colored_lab(model, seen.lab.to(_device(model))).to(seen.rgb.device)
        images = range(start, start + len(rgb))
        # Of what was read: another image stands in for one that cannot be.
        labels = [dataset.classes[i] for i in numbers.tolist()]
        yield Batch(images, labels, [dataset.file_name(i) for i in images], seen, results)
        start += len(rgb)


@contextmanager
def borrowed(networks: Iterable[nn.Module], device: torch.device | None = None) -> Iterator[None]:
    """Put networks in ``eval()`` mode and on a device, and in the end back where and as they were."""
    before = [(network, _device(network), [(m, m.training) for m in network.modules()]) for network in networks]
    try:
        for network, _, _ in before:
            network.eval()
            if device is not None:
                network.to(device)
        yield
    finally:
        for network, home, modes in before:
            network.to(home)
            for module, training in modes:
                module.training = training


def compare(
    models: Mapping[str, Colorizer],
    dataset: ImageDataset,
    *,
    scores: Sequence[str] = DEFAULT,
    perceptual: PerceptualDistance | None = None,
    original: bool = False,
    batch_size: int = 100,
    classifier: Classifier | None = None,
) -> pd.DataFrame:
    r"""Return scores of several colorizers that see the L\* of the same images, in one pass over these.

    What depends on the originals alone (Lab, features, logits) is computed once for all models.

    Args:
        models: name → colorizer; used in ``eval()`` mode, each on its device, and left in the mode it came in.
        dataset: images of a size that all models take.
        scores: names out of :data:`SCORES`.
        perceptual: measures a further column, named by its label.
        original: score the originals as well, as the first model, named ``original``: the ceiling of every score.
        batch_size: images at a time.
        classifier: judges whether images are recognized: the columns ``top1``, ``top5`` and ``probability`` of
            :func:`colorlab.evaluation.classify`.

    Returns:
        A row per model and image, the models one under the other in their order: ``model``; ``image``, its index
        in the data set; ``label``, the class's name; the scores, and after them those that :func:`summary` needs.

    Raises:
        ValueError: an unknown score, images of a size that a model or a score does not take, or of a class that the
            classifier does not know, or a classifier that is the encoder of one of the models.
    """
    measures = Measures(scores, perceptual, classifier)
    if classifier:
        refuse_own_encoder(classifier, {name: getattr(model, "backbone", None) for name, model in models.items()})
    with borrowed([*models.values(), *([classifier] if classifier else [])]):
        batches = colorizations(models, dataset, batch_size=batch_size, original=original)
        return measure_all(measures, batches, len(dataset), "compare")


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


def _device(model: nn.Module) -> torch.device:
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")
