"""The function ``evaluate``: score any models on any data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from torch import nn
from torch.utils.data import Dataset

from colorlab import pretrained
from colorlab.data import Data, create_dataset
from colorlab.evaluation.baselines import gray, mean_color
from colorlab.evaluation.definitions import scores_at
from colorlab.evaluation.interpretability import interpretability
from colorlab.evaluation.judges import judge_label, load_judge
from colorlab.evaluation.leaderboard import leaderboard
from colorlab.evaluation.scores import compare, summary
from colorlab.models import Colorizer, create_colorizer, name_of

Evaluated = str | Path | nn.Module
_BASELINES = ("original", "gray", "mean color")  # in every leaderboard


@dataclass(frozen=True, repr=False)
class Evaluation:
    """The result of :func:`evaluate`. A notebook shows the leaderboard.

    Attributes:
        rows: scores by model and image: ``model``, ``image``, ``label`` and a column for each score.
        judge: name of the classifier that judged, empty without one.
        frechet: distances between sets (:func:`colorlab.evaluation.frechet.frechet_distance`), if they were measured.
    """

    rows: pd.DataFrame
    judge: str = ""
    frechet: pd.DataFrame | None = None

    @property
    def board(self) -> pd.DataFrame:
        """Return the leaderboard, best first, as text: :func:`colorlab.evaluation.leaderboard`."""
        return leaderboard(self.rows)

    @property
    def means(self) -> pd.DataFrame:
        """Return means and standard errors as numbers: :func:`colorlab.evaluation.summary`."""
        return summary(self.rows)

    @property
    def accuracies(self) -> pd.DataFrame | None:
        """Return the classifier's accuracies (:func:`colorlab.evaluation.interpretability`), or None without one."""
        if not self.judge:
            return None
        by_model = {str(name): rows for name, rows in self.rows.groupby("model", sort=False)}
        return interpretability(by_model).assign(judge=self.judge)

    def __repr__(self) -> str:
        return str(self.board.T.to_string())  # there are more scores than models

    def _repr_html_(self) -> str:
        return str(self.board.T.to_html())


def evaluate(
    models: Evaluated | Sequence[Evaluated] | Mapping[str, Evaluated],
    data: Data = "placeholder",
    *,
    scores: Sequence[str] | None = None,
    size: int | None = None,
    root: str | Path = "data",
    batch_size: int = 100,
    classifier: str | Path | None = None,
) -> Evaluation:
    r"""Score models on test images, beside the originals, gray and the mean color.

    Args:
        models: a model, a list of models, or models by name. A model is the name of weights that ship
            (:func:`colorlab.list_models`), the path of a weights file, or any network from lightness to a and b; a
            network keeps its device and mode.
        data: a dataset's name or the path of a folder or tar of images, whose test images are used; or a
            ``torch.utils.data.Dataset``, which is used whole.
        scores: names of scores; the first orders the models. By default all.
        size: side of the images in pixels; by default that of a Dataset's first image, else the largest working size
            of the models. Models get the images at this size.
        root: the folder of the datasets.
        batch_size: images per batch.
        classifier: adds its accuracies: ``imagenet`` or ``timm:NAME`` for photographs of ImageNet's classes, a
            dataset whose classifier ships, or a classifier's file.

    Returns:
        The leaderboard and the scores by image.

    Raises:
        ValueError: a model, dataset, score or classifier is unknown, or a model does not take the size.
    """
    networks = _networks(models)
    side = size or _size(networks, data)
    names = scores_at(side) if scores is None else list(scores)
    judge = load_judge(classifier) if classifier is not None else None
    for name, network in networks.items():
        if network.accepted_size(side) != side:
            raise ValueError(
                f"{name} takes multiples of {network.stride} pixels, at least {network.smallest}, got size {side}"
            )
    testset = create_dataset(data, "test", size=side, root=root)
    trainset = create_dataset(data, "train", size=side, root=root)
    entries = {"gray": gray(), "mean color": mean_color(trainset), **networks}
    table = compare(entries, testset, scores=names, original=True, batch_size=batch_size, classifier=judge)
    testset.report_unreadable()
    return Evaluation(table, judge_label(judge) if judge else "")


def _networks(models: Evaluated | Sequence[Evaluated] | Mapping[str, Evaluated]) -> dict[str, Colorizer]:
    if isinstance(models, str | Path | nn.Module):
        models = [models]
    named = list(models.items()) if isinstance(models, Mapping) else [(_label(model), model) for model in models]
    named = [(name, model) for name, model in named if model not in _BASELINES]
    networks: dict[str, Colorizer] = {}
    for name, model in named:
        taken = name in networks or name in _BASELINES
        number = sum(other.partition(" (")[0] == name for other in networks) + 1
        key = f"{name} ({number})" if taken else name
        is_name = isinstance(model, str | Path)
        networks[key] = pretrained.loaded(model) if is_name else create_colorizer(model)  # type: ignore[arg-type]
    return networks


def _label(model: Evaluated) -> str:
    if isinstance(model, nn.Module):
        return name_of(model)
    return str(model) if str(model) in pretrained.NAMES else Path(model).stem


def _size(networks: Mapping[str, Colorizer], data: Data) -> int:
    if isinstance(data, Dataset):
        height, width = data[0][0].shape[-2:]
        if height == width:
            return int(height)
    side = max((network.working_size for network in networks.values()), default=32)
    for _ in networks:  # until a size fits all
        side = max(network.accepted_size(side) for network in networks.values())
    return side
