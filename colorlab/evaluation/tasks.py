"""The evaluation tasks of the command line: evaluation sets, the original framework's scores, and the leaderboard.

Each scoring task writes a table by image beside its summary. The models are named ``original``, ``gray`` (the folder
``grayscale``), and as the model's weights.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

import colorlab
from colorlab.data import ImageDataset
from colorlab.evaluation.baselines import gray, mean_color
from colorlab.evaluation.definitions import Seen, scores_at
from colorlab.evaluation.folders import ImageFolder, Writer, label_of, name_images, open_folders, read_batches
from colorlab.evaluation.frechet import LEAST_IMAGES, Moments, frechet_distance
from colorlab.evaluation.judges import ImageNetJudge, judge_label, load_judge, refuse_own_encoder, wordnet_id
from colorlab.evaluation.leaderboard import to_markdown
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
from colorlab.evaluation.run import Evaluation
from colorlab.evaluation.scores import Batch, Measures, colorizations, evaluation_mode, measure_all, summary
from colorlab.models import Colorizer, colored, describe_weights, load_weights
from colorlab.models.state import read_state
from colorlab.training.checkpoint import save_state, write_text

_SAVE_EVERY = 30.0
"""Seconds between two saves of ``eval-all``, for ``resume``."""


def generate(options: GenerationOptions, weights: Path | None = None) -> list[Path]:
    """Write the folders of an evaluation set, or complete them.

    The folders under ``options.eval_root_path``, as ``eval_type`` selects them, are ``original``, the test images;
    ``grayscale``, their lightness with a = b = 0; and ``<model-name>[-<model-suffix>]``, their lightness with the
    model's a and b (:func:`colorlab.evaluation.colored`). Each holds ``test/<class>/img-NNNN.png`` and a
    ``manifest.json`` with the dataset, the size, the number of images and their SHA-256, the weights and their
    SHA-256, and the versions.

    Args:
        options: what to write, and where.
        weights: weights of the model; needed for ``colorized``.

    Returns:
        The folders.

    Raises:
        ValueError: the dataset or the weights are not available, or a folder holds other images.
    """
    renderers: dict[str, Callable[[Tensor], Tensor]] = {"original": lambda rgb: rgb, "grayscale": _renderer(gray())}
    facts: dict[str, Any] = {}
    if options.eval_type == "colorized":
        if weights is None:
            raise ValueError(f"eval_type colorized needs the weights of {options.model}")
        model = _load(weights, options.model_name)
        _check_size(options.model, model, options.image_size)
        renderers[options.model] = _renderer(model.to(options.torch_device()))
        with weights.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        facts = {"model": options.model, "weights": str(weights), "weights_sha256": digest}
        facts |= {"encoder": model.backbone} if hasattr(model, "backbone") else {}
    dataset = options.dataset("test")
    names, sha256 = name_images(dataset, options.batches(dataset))
    shared: dict[str, Any] = {
        "dataset": options.dataset_name,
        "split": "test",
        "size": 2 * [options.image_size],
        "count": len(names),
    }
    # The new names of the images do not hold the WordNet ids of their files' names.
    ids = {name: wordnet_id(dataset.file_name(i)) for i, name in enumerate(names)}
    shared |= {"wordnet_ids": ids} if all(ids.values()) else {}
    writers = [
        Writer(
            options.eval_root_path / kind,
            {**shared, "images_sha256": sha256, **(facts if kind == options.model else {})},
            renderers[kind],
        )
        for kind in options.kinds
    ]
    missing = sum([writer.start(names) for writer in writers])
    if missing:
        with tqdm(total=missing, unit="image", desc="eval-gen", disable=None, delay=2) as bar:
            seen = 0
            for rgb, _ in options.batches(dataset):
                batch = names[seen : seen + len(rgb)]
                seen += len(rgb)
                for writer in writers:
                    bar.update(writer.write(batch, rgb))
    dataset.report_unreadable()
    return [writer.path for writer in writers]


def evaluate_mse(options: MSEOptions) -> pd.DataFrame:
    """Return the original framework's mean squared error of a and b, as ``mse_seed`` and in Lab units as ``mse``.

    It also writes the returned means and standard errors to ``mse_loss.csv``, and ``mse_images.csv``.

    Raises:
        ValueError: a folder is missing, or the folders do not match.
    """
    table = _measure_folders("eval-mse", options, Measures(("mse_seed", "mse")))
    means = summary(table)
    _write(options, {"mse_images.csv": table.to_csv(index=False), "mse_loss.csv": means.to_csv()})
    return means


def evaluate_ps(options: PSOptions) -> pd.DataFrame:
    """Return the original framework's perceptual similarity: the mean distance to the originals, LPIPS by default.

    It also writes the returned means and standard errors to ``ps_distances.csv``, and ``ps_images.csv``. The column
    is named :attr:`colorlab.evaluation.PerceptualDistance.label`.

    Raises:
        ValueError: the trunk's weights are not available, a folder is missing, or the folders do not match.
    """
    perceptual = PerceptualDistance(options.trunk, options.trunk_weights, options.torch_device())
    table = _measure_folders("eval-ps", options, Measures((), perceptual))
    means = summary(table)
    _write(options, {"ps_images.csv": table.to_csv(index=False), "ps_distances.csv": means.to_csv()})
    return means


def evaluate_si(options: SIOptions) -> pd.DataFrame:
    """Return the original framework's semantic interpretability: a classifier's accuracies on the folders' images.

    It also writes the returned table (:func:`colorlab.evaluation.interpretability`) to ``si_accuracy.csv``, and
    ``si_images.csv``.

    Raises:
        ValueError: the classifier is missing, is the encoder of the model, or does not know a class; a folder is
            missing, or the folders do not match.
    """
    classifier = load_judge(options.classifier_path, options.classifier_weights).to(options.torch_device())
    table = _measure_folders("eval-si", options, Measures((), classifier=classifier))
    accuracies = Evaluation(table, judge_label(classifier)).accuracies
    assert accuracies is not None
    _write(options, {"si_images.csv": table.to_csv(index=False), "si_accuracy.csv": accuracies.to_csv()})
    return accuracies


def evaluate_all(options: LeaderboardOptions, models: Mapping[str, Colorizer]) -> Evaluation:
    """Score several models on a dataset's test images with all scores, in one pass.

    The table also holds ``original``, ``gray`` and ``mean color`` (of the training images). ``evaluate_all`` writes
    ``scores.csv`` (by image), ``leaderboard.csv`` (means and standard errors), ``leaderboard.md`` (formatted), with a
    classifier ``si_accuracy.csv``, and with ``options.frechet`` ``frechet.csv``.

    Args:
        options: the dataset, and the networks that judge.
        models: name → colorizer, whose device and mode are restored.

    Returns:
        The same results, as from :func:`colorlab.evaluate`.

    Raises:
        ValueError: the dataset, trunk or classifier is not available, a model does not take the size, there are too
            few images for a Fréchet distance, or the run to resume had other options.
    """
    for name, model in models.items():
        _check_size(name, model, options.image_size)
    device = options.torch_device()
    measures = Measures(scores_at(options.image_size))
    if options.trunk != "none":
        measures.perceptual = PerceptualDistance(options.trunk, options.trunk_weights, device)
    if options.classifier_path is not None:
        measures.classifier = load_judge(options.classifier_path, options.classifier_weights)
        encoders = {name: getattr(model, "backbone", None) for name, model in models.items()}
        refuse_own_encoder(measures.classifier, encoders)
    testset = options.dataset("test")
    if options.frechet:
        _check_frechet(measures, len(testset))
    entries = {"gray": gray(), "mean color": mean_color(options.dataset("train")), **models}
    checkpoint = _Checkpoint(options.folder / "scores.part", _identity(options, entries, testset))
    if options.resume:
        checkpoint.restore(measures)
    networks = [*entries.values(), *([measures.classifier] if measures.classifier else [])]
    with evaluation_mode(networks, device):
        batches = colorizations(
            entries,
            testset,
            batch_size=options.val_batch_size,
            original=True,
            device=device,
            workers=options.workers,
            start=measures.done,
        )
        table = measure_all(measures, batches, len(testset), "eval-all", lambda: checkpoint.write(measures))
    testset.report_unreadable()
    judge = judge_label(measures.classifier) if measures.classifier else ""
    found = Evaluation(table, judge, _frechet_table(measures) if options.frechet else None)
    board, accuracies = found.board, found.accuracies
    files = {
        "scores.csv": table.to_csv(index=False),
        "leaderboard.csv": found.means.loc[board.index].to_csv(),
        "leaderboard.md": to_markdown(board) + "\n",
    }
    files |= {"si_accuracy.csv": accuracies.to_csv()} if accuracies is not None else {}
    files |= {"frechet.csv": found.frechet.to_csv()} if found.frechet is not None else {}
    _write(options, files)
    checkpoint.path.unlink(missing_ok=True)
    return found


def _check_frechet(measures: Measures, count: int) -> None:
    if not isinstance(measures.classifier, ImageNetJudge):
        raise ValueError(
            "frechet needs the features of an ImageNet classifier; set classifier_path to imagenet or timm:NAME. "
            "(For FID with Inception's features, give torch-fidelity the folders that eval-gen writes)"
        )
    if count < LEAST_IMAGES:
        raise ValueError(
            f"frechet needs at least {LEAST_IMAGES} test images, got {count}: with fewer, the estimate depends more "
            "on their number than on the images; evaluate a larger set, or leave it out"
        )
    measures.frechet = True


def _frechet_table(measures: Measures) -> pd.DataFrame:
    """Return ``distance``, ``n`` and ``judge`` of each model's images against the originals."""
    judge, moments = measures.classifier, measures.moments
    rows = {
        name: {
            "distance": frechet_distance(moments["original"], m),
            "n": m.count,
            "judge": judge and judge_label(judge),
        }
        for name, m in moments.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


class _Checkpoint:
    """A file with the values that a pass has measured so far."""

    def __init__(self, path: Path, identity: str) -> None:
        self.path, self.identity = path, identity
        self._written = time.monotonic()

    def write(self, measures: Measures) -> None:
        """Save the measured values, at most every 30 seconds."""
        if time.monotonic() - self._written < _SAVE_EVERY:
            return
        _make_folder(self.path.parent)
        tables = {model: pd.concat(parts).astype(object) for model, parts in measures.tables.items()}
        state = {
            "identity": self.identity,
            "tables": {
                model: {str(name): _plain(table[name]) for name in table.columns} for model, table in tables.items()
            },
            "moments": {model: vars(moments) for model, moments in measures.moments.items()},
        }
        save_state(self.path, state)
        self._written = time.monotonic()

    def restore(self, measures: Measures) -> None:
        """Load the saved values, if there are any.

        Raises:
            ValueError: they were measured with other options.
        """
        if not self.path.is_file():
            return
        state: dict[str, Any] = dict(read_state(self.path))
        if state.get("identity") != self.identity:
            raise ValueError(
                f"{self.path} is from a run with other options, models or images; use the same, or leave out resume "
                "to start over"
            )
        for model, columns in state["tables"].items():
            table = pd.DataFrame(columns)
            if "top5" in table:
                table["top5"] = table["top5"].astype("boolean")
            measures.tables[model] = [table]
        measures.moments = {model: Moments(**moments) for model, moments in state["moments"].items()}


def _plain(column: pd.Series[Any]) -> list[Any]:
    """Convert a column to plain Python values, for a checkpoint."""
    return [None if v is pd.NA else v.item() if isinstance(v, np.generic) else v for v in column]


def _identity(options: LeaderboardOptions, models: Mapping[str, Colorizer], testset: ImageDataset) -> str:
    """Return what must be equal in a run and in the one that it resumes."""
    digest = hashlib.sha256()
    for name, model in models.items():
        digest.update(name.encode(errors="surrogateescape"))
        for tensor in model.state_dict().values():
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    free = ("resume", "device", "models")
    fixed = {name: str(value) for name, value in vars(options).items() if name not in free}
    versions = (colorlab.__version__, str(torch.__version__))
    return f"{fixed} {len(testset)} {versions} {digest.hexdigest()}"


def _measure_folders(task: str, options: SetOptions, measures: Measures) -> pd.DataFrame:
    """Return ``model``, ``image``, ``label`` and scores, a row for each image of each folder, folder by folder."""
    folders = open_folders(options.eval_root_path, options.kinds)
    if measures.classifier:
        refuse_own_encoder(measures.classifier, {f.path.name: f.manifest.get("encoder") for f in folders})
    total = len(folders[0].names)
    return measure_all(measures, _folder_batches(folders, options), total, task)


def _folder_batches(folders: list[ImageFolder], options: SetOptions) -> Iterator[Batch]:
    models = [{"grayscale": "gray"}.get(kind, kind) for kind in options.kinds]
    ids = folders[0].manifest.get("wordnet_ids", {})
    device = options.torch_device()
    for names, images in read_batches(folders, options.val_batch_size):
        results = dict(zip(models, (rgb.to(device) for rgb in images), strict=True))
        files = [ids.get(name, name) for name in names]
        yield Batch(names, list(map(label_of, names)), files, Seen(results["original"]), results)


def _renderer(model: Colorizer) -> Callable[[Tensor], Tensor]:
    """Return a function that colorizes images, computed on the model's device."""
    device = next(iter([*model.parameters(), *model.buffers()])).device
    model.eval()
    return lambda rgb: colored(model, rgb.to(device)).cpu()


def _load(weights: Path, architecture: str) -> Colorizer:
    found = describe_weights(weights)["model_name"]
    if found != architecture:
        raise ValueError(f"{weights} holds a {found}, but model_name is {architecture}")
    return load_weights(weights)


def _check_size(name: str, model: Colorizer, size: int) -> None:
    try:
        model.check_input(torch.empty(1, 1, size, size))
    except ValueError as error:
        raise ValueError(f"{name} cannot color images of image_size {size}: {error}") from error


def _write(options: OutputOptions, texts: Mapping[str, str]) -> None:
    _make_folder(options.folder)
    try:
        for name, text in texts.items():
            # The name of a class may hold bytes that are not valid text.
            write_text(options.folder / name, text.encode(errors="backslashreplace").decode())
    except OSError as error:
        raise ValueError(f"{options.folder} cannot be written to: {error.strerror}") from error


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{path} cannot be written to: {error.strerror}") from error
