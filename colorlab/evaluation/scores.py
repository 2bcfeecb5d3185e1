"""Score colorizers on a dataset: a table with a row per image, and its means with standard errors."""

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
"""The default scores: errors of the colors, all fast."""

_NOT_SCORES = ("model", "image", "label")
_PIXELS_AT_A_TIME = 2**16
"""Scores are computed in parts of this many pixels, which stay in a processor's cache."""


@torch.inference_mode()
def score_images(originals: Tensor, results: Tensor, scores: Sequence[str] = DEFAULT) -> dict[str, Tensor]:
    """Score results against their originals.

    Args:
        originals: ``(N, 3, H, W)`` uint8 RGB.
        results: the same shape, on the same device.
        scores: names from :data:`SCORES`.

    Returns:
        Name → ``(N,)`` float64 on the CPU, in the given order; then the scores that a :func:`summary` of them needs
        (``auc_weight`` for ``auc_rebalanced``, ``colorfulness_gain`` for ``colorfulness_difference``).

    Raises:
        ValueError: a score is unknown, or the images are not uint8 of one shape.
    """
    return _score(Seen(originals), Seen(results), with_needs(scores))


def with_needs(scores: Sequence[str]) -> tuple[str, ...]:
    """Check names of scores, and return them with those that a summary of them needs."""
    return tuple(dict.fromkeys([*scores, *(needed for name in scores for needed in SCORES.find(name).needs)]))


def _score(original: Seen, result: Seen, scores: Sequence[str]) -> dict[str, Tensor]:
    if original.rgb.shape != result.rgb.shape:
        raise ValueError(
            f"originals and results must have one shape, got {tuple(original.rgb.shape)} and "
            f"{tuple(result.rgb.shape)}"
        )
    # The originals themselves have the best value, by the definition of `best`.
    known = {name: SCORES[name].best for name in scores} if result is original else {}
    return {
        name: SCORES[name].of(original, result)
        if (best := known.get(name)) is None
        else torch.full((len(original.rgb),), best, dtype=torch.float64)
        for name in scores
    }


class Batch(NamedTuple):
    """A batch of test images with the models' results, all uint8 ``(N, 3, H, W)``.

    Attributes:
        images: index or name of each image, for the table.
        labels: the names of their classes.
        files: the names of their files, empty if there are none.
        original: the images.
        results: model → its images; may include the originals themselves.
    """

    images: Sequence[object]
    labels: Sequence[str]
    files: Sequence[str]
    original: Seen
    results: Mapping[str, Tensor]


@dataclass
class Measures:
    """The scores to measure in one pass over a test set, and the values so far.

    Lab, local means, features and logits of the originals are computed once for all models.

    Args:
        scores: names from :data:`SCORES`.
        perceptual: adds a column, named by its label.
        classifier: adds the columns ``top1``, ``top5`` and ``probability``.
        frechet: collect the features of the classifier, an :class:`ImageNetJudge`, for Fréchet distances.

    Attributes:
        tables: model → a table for each batch.
        moments: model → moments of its features.
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
        """Return the number of images measured so far."""
        return sum(map(len, next(iter(self.tables.values()), [])))

    def table(self) -> pd.DataFrame:
        """Return a table with a row per model and image, model by model."""
        return pd.concat([part for parts in self.tables.values() for part in parts], ignore_index=True)


def measure_all(
    measures: Measures,
    batches: Iterable[Batch],
    total: int,
    task: str,
    after_batch: Callable[[], object] = lambda: None,
) -> pd.DataFrame:
    """Measure all batches of a test set, with a progress bar on standard error after 2 seconds.

    Args:
        measures: what to measure, with the values of earlier batches.
        batches: the remaining images, in order.
        total: number of images, including those measured before.
        task: label of the progress bar.
        after_batch: called after each batch.
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
    r"""Yield a dataset's images with the results of colorizers, each computed on its own device from L\*.

    Args:
        models: name → colorizer in ``eval()`` mode.
        dataset: the images.
        batch_size: images per batch.
        original: put the originals first among the results, named ``original``.
        device: where the images are scored; by default the CPU.
        workers: processes that read files.
        start: index of the first image, a multiple of ``batch_size``.
    """
    loader, order = create_loader(dataset, batch_size, workers=workers)
    order.start = start // batch_size
    for rgb, numbers in loader:
        seen = Seen(rgb.to(device) if device else rgb)
        results = {"original": seen.rgb} if original else {}
        for name, model in models.items():
            results[name] = colored_lab(model, seen.lab.to(_device(model))).to(seen.rgb.device)
        images = range(start, start + len(rgb))
        # Labels as read, because another image replaces an unreadable one.
        labels = [dataset.classes[i] for i in numbers.tolist()]
        yield Batch(images, labels, [dataset.file_name(i) for i in images], seen, results)
        start += len(rgb)


@contextmanager
def evaluation_mode(networks: Iterable[nn.Module], device: torch.device | None = None) -> Iterator[None]:
    """Put networks in ``eval()`` mode and on a device for the time of the block, and restore both afterwards."""
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
    r"""Score several colorizers on the L\* of the same images, in one pass.

    Lab, features and logits of the originals are computed once for all models.

    Args:
        models: name → colorizer; used in ``eval()`` mode on its own device, and its mode is restored.
        dataset: images of a size that all models take.
        scores: names from :data:`SCORES`.
        perceptual: adds a column, named by its label.
        original: also score the originals, as the first model, named ``original``: the upper bound of every score.
        batch_size: images per batch.
        classifier: adds the columns ``top1``, ``top5`` and ``probability`` of
            :func:`colorlab.evaluation.classify`.

    Returns:
        A row per model and image, model by model in their order: ``model``; ``image``, its index in the dataset;
        ``label``, the class's name; the scores, and after them those that :func:`summary` needs.

    Raises:
        ValueError: a score is unknown, a model or a score does not take the image size, the classifier does not know
            a class, or it is the encoder of one of the models.
    """
    measures = Measures(scores, perceptual, classifier)
    if classifier:
        refuse_own_encoder(classifier, {name: getattr(model, "backbone", None) for name, model in models.items()})
    with evaluation_mode([*models.values(), *([classifier] if classifier else [])]):
        batches = colorizations(models, dataset, batch_size=batch_size, original=original)
        return measure_all(measures, batches, len(dataset), "compare")


def score(
    model: Colorizer, dataset: ImageDataset, *, batch_size: int = 100, scores: Sequence[str] = DEFAULT
) -> pd.DataFrame:
    """Score one colorizer as :func:`compare` does, without the column ``model``."""
    return compare({"": model}, dataset, scores=scores, batch_size=batch_size).drop(columns="model")


def summary(table: pd.DataFrame) -> pd.DataFrame:
    r"""Return means over images and their standard errors, a row per model in the table's order.

    Args:
        table: the table of :func:`compare`, or any table with a column ``model`` and scores by image, such as
            :func:`colorlab.evaluation.classify`'s.

    Returns:
        Indexed by ``model``: for each score its mean and, as ``<score>_se``, the standard error of the mean (NaN for
        a single image); ``n``, the number of images. Three columns are not plain means:

        * ``psnr`` is infinite for a model that equals all originals; for the others it is the mean over the images
          that none of them equals, so that all means are about the same images (gray equals gray ones);
        * ``auc_rebalanced`` is the mean weighted by ``auc_weight``, which is the published value over all pixels; its
          standard error is that of a ratio of means (delta method; Cochran, *Sampling techniques*, 1977, eq. 2.46);
        * ``colorfulness_difference_of_means``, for ``colorfulness_difference``: \|mean colorfulness of the results
          minus that of the originals\|, as in papers.
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
    """Return the columns of a table by image that hold scores."""
    return [column for column in table.columns if column not in _NOT_SCORES]


def _comparable(table: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return PSNRs, NaN for images that some model equals, unless it equals all."""
    image = table["image"] if "image" in table else table.groupby("model").cumcount()
    infinite = table["psnr"] == np.inf
    perfect = infinite.groupby(table["model"]).transform("all")
    equal = image[infinite & ~perfect]
    return table["psnr"].mask(image.isin(equal) & ~perfect).to_numpy()


def _mean(values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64] | None = None) -> tuple[float, float]:
    """Return the mean and its standard error."""
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
    residuals[np.abs(residuals) < 1e-9 * abs(mean)] = 0  # rounding errors of equal values
    return mean, float(residuals.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else float("nan")


def _device(model: nn.Module) -> torch.device:
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")
