"""The evaluation tasks of the command line: the set of images, its scores as the seed wrote them, the leaderboard.

Each leaves the table by image beside its summary, so that other questions can be asked of it later. Rows are named
``original``, ``gray`` (the folder ``grayscale``), and as the model's weights.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from tqdm.auto import tqdm

from colorlab import pretrained
from colorlab.evaluation.baselines import gray, mean_color
from colorlab.evaluation.definitions import SSIM_WINDOW
from colorlab.evaluation.folders import Writer, label_of, name_images, open_folders, read_batches
from colorlab.evaluation.interpretability import classify, interpretability
from colorlab.evaluation.leaderboard import leaderboard, to_markdown
from colorlab.evaluation.options import (
    GenerationOptions,
    LeaderboardOptions,
    MSEOptions,
    OutputOptions,
    PSOptions,
    SetOptions,
    SIOptions,
)
from colorlab.evaluation.perceptual import PerceptualDistance
from colorlab.evaluation.scores import SCORES, score_images, summary
from colorlab.models import Colorizer, colored, describe_weights, load_classifier, load_weights
from colorlab.training.checkpoint import write_text

# The classes of some images, and the images: first the originals, then results of them. To scores by image, a
# table for the originals and each of the results.
_Judge = Callable[[Sequence[str], Sequence[Tensor]], list[pd.DataFrame]]


def generate(options: GenerationOptions, weights: Path | None = None) -> list[Path]:
    """Write the folders of an evaluation set, or what is still missing of them.

    Under ``options.eval_root_path``, as far as ``eval_type`` goes: ``original``, the test images; ``grayscale``,
    their lightness with a = b = 0; and ``<model-name>[-<model-suffix>]``, their lightness with the model's a and b,
    joined as by :func:`colorlab.evaluation.colored`. In each lie ``test/<class>/img-NNNN.png`` and a
    ``manifest.json`` with the data set, the size, the number of images and their SHA-256, the weights and their
    SHA-256, and the versions.

    Args:
        options: what to write, and where.
        weights: of the model; needed for ``colorized``.

    Returns:
        The folders.

    Raises:
        ValueError: a data set or weights that cannot be had, or a folder that holds other images.
    """
    renderers: dict[str, Callable[[Tensor], Tensor]] = {"original": lambda rgb: rgb, "grayscale": _Painter(gray())}
    facts: dict[str, Any] = {}
    if options.eval_type == "colorized":
        if weights is None:
            raise ValueError(f"eval_type colorized needs the weights of {options.model}")
        model = _load(weights, options.model_name)
        _check_size(options.model, model, options.image_size)
        renderers[options.model] = _Painter(model.to(options.torch_device()))
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        facts = {"model": options.model, "weights": str(weights), "weights_sha256": digest}
    dataset = options.dataset("test")
    names, sha256 = name_images(dataset, options.batches(dataset))
    shared = {"dataset": options.dataset_name, "split": "test", "size": 2 * [options.image_size], "count": len(names)}
    writers = [
        Writer(
            options.eval_root_path / kind,
            {**shared, "images_sha256": sha256, **(facts if kind == options.model else {})},
            renderers[kind],
        )
        for kind in options.kinds
    ]
    lacking = sum([writer.start(names) for writer in writers])
    if lacking:
        with _bar("eval-gen", lacking) as bar:
            seen = 0
            for rgb, _ in options.batches(dataset):
                batch = names[seen : seen + len(rgb)]
                seen += len(rgb)
                for writer in writers:
                    bar.update(writer.write(batch, rgb))
    dataset.report_unreadable()
    return [writer.path for writer in writers]


def evaluate_mse(options: MSEOptions) -> pd.DataFrame:
    """The seed's mean squared error of a and b, in its unit (``mse_seed``) and in that of Lab (``mse``).

    Writes ``mse_loss.csv`` (means and standard errors by folder, also returned) and ``mse_images.csv``.

    Raises:
        ValueError: folders that are not there or do not match.
    """
    table = _score_folders("eval-mse", options, _by_formula(("mse_seed", "mse"), options.torch_device()))
    means = summary(table)
    _write(options, {"mse_images.csv": table.to_csv(index=False), "mse_loss.csv": means.to_csv()})
    return means


def evaluate_ps(options: PSOptions) -> pd.DataFrame:
    """The seed's perceptual similarity: the mean LPIPS distance to the originals, or what another trunk measures.

    Writes ``ps_distances.csv`` (means and standard errors by folder, also returned) and ``ps_images.csv``; the
    column is named by measure, version and trunk (:attr:`colorlab.evaluation.PerceptualDistance.label`).

    Raises:
        ValueError: a trunk whose weights cannot be had, or folders that are not there or do not match.
    """
    perceptual = PerceptualDistance(options.trunk, options.trunk_weights, options.torch_device())
    table = _score_folders("eval-ps", options, _by_perception(perceptual))
    means = summary(table)
    _write(options, {"ps_images.csv": table.to_csv(index=False), "ps_distances.csv": means.to_csv()})
    return means


def evaluate_si(options: SIOptions) -> pd.DataFrame:
    """The seed's semantic interpretability: a classifier's accuracies on originals, grays and a model's images.

    Writes ``si_accuracy.csv`` (:func:`colorlab.evaluation.interpretability`, also returned) and ``si_images.csv``.

    Raises:
        ValueError: no classifier, classes that it does not know, or folders that are not there or do not match.
    """
    table = _score_folders("eval-si", options, _by_classifier(options.classifier_path, options))
    accuracies = _accuracies(table)
    _write(options, {"si_images.csv": table.to_csv(index=False), "si_accuracy.csv": accuracies.to_csv()})
    return accuracies


def evaluate_all(options: LeaderboardOptions, models: Mapping[str, Colorizer]) -> pd.DataFrame:
    """All scores of several models on a data set's test images, in one pass over these.

    Always with ``original``, ``gray`` and ``mean color`` (of the training images). Writes ``scores.csv`` (by
    image, also returned), ``leaderboard.csv`` (means and standard errors), ``leaderboard.md`` (the same to read)
    and, with a classifier, ``si_accuracy.csv``.

    Args:
        options: the data set, and which networks judge.
        models: name → colorizer.

    Returns:
        Scores by image, from which :func:`colorlab.evaluation.leaderboard` makes the leaderboard.

    Raises:
        ValueError: a data set, trunk or classifier that cannot be had, or a model that does not take the size.
    """
    for name, model in models.items():
        _check_size(name, model, options.image_size)
    device = options.torch_device()
    formulas = [name for name in SCORES if name != "ssim" or options.image_size >= SSIM_WINDOW]
    judges = [_by_formula(formulas, device)]
    if options.trunk != "none":
        judges.append(_by_perception(PerceptualDistance(options.trunk, options.trunk_weights, device)))
    if options.classifier_path is not None:
        judges.append(_by_classifier(options.classifier_path, options))
    testset = options.dataset("test")
    entries = {"gray": gray(), "mean color": mean_color(options.dataset("train")), **models}
    painters = [_Painter(model.to(device)) for model in entries.values()]
    tables: list[pd.DataFrame] = []
    seen = 0
    with _bar("eval-all", len(testset)) as bar:
        for rgb, labels in options.batches(testset):
            classes = [testset.classes[label] for label in labels.tolist()]
            images = [rgb, *(painter(rgb) for painter in painters)]
            judged = zip(*(judge(classes, images) for judge in judges), strict=True)
            scores = [pd.concat(parts, axis="columns") for parts in judged]
            tables += _named(["original", *entries], range(seen, seen + len(rgb)), classes, scores)
            seen += len(rgb)
            bar.update(len(rgb))
    testset.report_unreadable()
    table = _models_together(tables)
    board = leaderboard(table)
    files = {
        "scores.csv": table.to_csv(index=False),
        "leaderboard.csv": summary(table).loc[board.index].to_csv(),
        "leaderboard.md": to_markdown(board) + "\n",
    }
    _write(options, files | ({"si_accuracy.csv": _accuracies(table).to_csv()} if "top1" in table else {}))
    return table


def _by_formula(scores: Sequence[str], device: torch.device) -> _Judge:
    def judge(classes: Sequence[str], images: Sequence[Tensor]) -> list[pd.DataFrame]:
        originals, *results = (rgb.to(device) for rgb in images)
        values = [score_images(originals, rgb, scores) for rgb in (originals, *results)]
        return [pd.DataFrame({name: tensor.numpy() for name, tensor in found.items()}) for found in values]

    return judge


def _by_perception(perceptual: PerceptualDistance) -> _Judge:
    def judge(classes: Sequence[str], images: Sequence[Tensor]) -> list[pd.DataFrame]:
        distances = perceptual.distances(images[0], images)
        return [pd.DataFrame({perceptual.label: found.numpy()}) for found in distances]

    return judge


def _by_classifier(path: Path, options: OutputOptions) -> _Judge:
    name = str(path)
    if not path.is_file() and name not in pretrained.CLASSIFIERS:
        raise ValueError(
            f"there is no classifier at {path}; classifier_path takes what the task classifier trains "
            f"(its best.safetensors), or one that ships: {', '.join(pretrained.CLASSIFIERS)}"
        )
    classifier = load_classifier(path) if path.is_file() else pretrained.load_classifier(name)
    classifier.to(options.torch_device())
    index = {name: number for number, name in enumerate(classifier.classes)}

    def judge(classes: Sequence[str], images: Sequence[Tensor]) -> list[pd.DataFrame]:
        unknown = sorted(set(classes) - index.keys())
        if unknown:
            raise ValueError(f"the classifier {path} does not know the class {unknown[0]!r}, only {', '.join(index)}")
        labels = torch.tensor([index[name] for name in classes])
        return [classify(classifier, [(rgb, labels)]).drop(columns="label") for rgb in images]

    return judge


def _score_folders(task: str, options: SetOptions, judge: _Judge) -> pd.DataFrame:
    """``model``, ``image``, ``label`` and scores: a row for each image of each folder, folder by folder."""
    folders = open_folders(options.eval_root_path, options.kinds)
    models = [{"grayscale": "gray"}.get(kind, kind) for kind in options.kinds]
    tables: list[pd.DataFrame] = []
    with _bar(task, len(folders[0].names)) as bar:
        for names, images in read_batches(folders, options.val_batch_size):
            classes = [label_of(name) for name in names]
            tables += _named(models, names, classes, judge(classes, images))
            bar.update(len(names))
    return _models_together(tables)


def _named(
    models: Sequence[str], images: Sequence[object], classes: Sequence[str], scores: Sequence[pd.DataFrame]
) -> list[pd.DataFrame]:
    """A table of scores for each model, with what says whose they are in front."""
    for model, table in zip(models, scores, strict=True):
        table.insert(0, "model", model)
        table.insert(1, "image", images)
        table.insert(2, "label", classes)
    return list(scores)


def _models_together(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of several batches as one, each model's rows together, models in the order of the first batch."""
    table = pd.concat(tables, ignore_index=True)
    order = {name: number for number, name in enumerate(table["model"].unique())}
    return table.sort_values("model", key=lambda names: names.map(order), kind="stable", ignore_index=True)


def _accuracies(table: pd.DataFrame) -> pd.DataFrame:
    return interpretability({str(name): rows for name, rows in table.groupby("model", sort=False)})


class _Painter:
    """Images as a model gives them back, computed on the model's device."""

    def __init__(self, model: Colorizer) -> None:
        self.model = model.eval()

    def __call__(self, rgb: Tensor) -> Tensor:
        parameter = next(iter([*self.model.parameters(), *self.model.buffers()]))
        return colored(self.model, rgb.to(parameter.device)).cpu()


def _load(weights: Path, architecture: str) -> Colorizer:
    found = describe_weights(weights)["model_name"]
    if found != architecture:
        raise ValueError(f"{weights} holds a {found}, where model_name says {architecture}")
    return load_weights(weights)


def _check_size(name: str, model: Colorizer, size: int) -> None:
    try:
        model.check_input(torch.empty(1, 1, size, size))
    except ValueError as error:
        raise ValueError(f"{name} cannot color images of image_size {size}: {error}") from error


def _bar(task: str, total: int) -> tqdm:
    return tqdm(total=total, unit="image", desc=task, disable=None)


def _write(options: OutputOptions, texts: Mapping[str, str]) -> None:
    try:
        options.folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            # A class may be called by bytes that are no text.
            write_text(options.folder / name, text.encode(errors="backslashreplace").decode())
    except OSError as error:
        raise ValueError(f"{options.folder} cannot be written to: {error.strerror}") from error
