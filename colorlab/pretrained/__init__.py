"""Load the weights that ship with colorlab, each with a model card beside it (``<file>.md``).

There are three kinds: colorizers (:data:`NAMES`); classifiers for semantic interpretability, named after their
dataset; and ``trunk``, the convolutions that :class:`colorlab.evaluation.PerceptualDistance` uses for its trunk
``colorlab``.
"""

from __future__ import annotations

import copy
import functools
import hashlib
import json
from collections.abc import Collection
from pathlib import Path

from colorlab.models import COLORIZERS, Classifier, Colorizer, describe_weights, load_weights
from colorlab.models import load_classifier as load_classifier_file
from colorlab.registry import did_you_mean

_FOLDER = Path(__file__).parent

# kind → name → SHA-256 of the file, the default first; written by tools/train_weights.py.
_SHIPPED: dict[str, dict[str, str]] = json.loads((_FOLDER / "shipped.json").read_text(encoding="utf-8"))

NAMES: tuple[str, ...] = tuple(_SHIPPED["colorizers"])
"""The names of colorizers for :func:`load`, the default first."""

CLASSIFIERS: tuple[str, ...] = tuple(name.removeprefix("classifier-") for name in _SHIPPED["classifiers"])
"""The datasets for which :func:`load_classifier` has a classifier."""

FILES: dict[str, str] = {name: sha256 for kind in _SHIPPED.values() for name, sha256 in kind.items()}
"""The name of every file that ships, without suffix → SHA-256."""


def load(model: str | Path | None = None) -> Colorizer:
    """Return a colorizer with trained weights, in ``eval()`` mode on the CPU; a notebook shows its card.

    Weights are cached; each call returns its own copy, which the caller may change.

    Args:
        model: one of :data:`NAMES`; the path of a weights file, such as ``output/my-run/best.safetensors``; ``None``
            is the first of :data:`NAMES`.

    Raises:
        ValueError: the name is unknown, the file is damaged or was changed since it was shipped, or its network is
            not registered.
        FileNotFoundError: there is no such file.
    """
    return copy.deepcopy(loaded(model))


def loaded(model: str | Path | None = None, device: str = "cpu") -> Colorizer:
    """Return the colorizer of :func:`load` on a device, without a copy; callers must not change it."""
    if model is None or (isinstance(model, str) and model in NAMES):
        name = model or NAMES[0]
        file, text = path(str(name), among=NAMES), card(str(name))
    elif isinstance(model, Path) or model.endswith(".safetensors") or "/" in model:
        file, text = Path(model).expanduser(), ""
        if not file.is_file():
            raise FileNotFoundError(f"no weights at {file}")
    else:
        path(model, among=NAMES)  # which raises
        raise AssertionError
    facts = file.stat()
    return _loaded(file.absolute(), facts.st_mtime_ns, facts.st_size, text, device)


@functools.lru_cache(maxsize=8)
def _loaded(file: Path, changed: int, size: int, text: str, device: str) -> Colorizer:
    model = load_weights(file)
    model.card = text or _own_card(file)
    return model.to(device).requires_grad_(requires_grad=False)


def _own_card(file: Path) -> str:
    """Return a card made from a weights file's header, in Markdown."""
    header = describe_weights(file)
    options = header.get("options", {})
    wanted = (
        "dataset_name",
        "also_train_on",
        "image_size",
        "loss",
        "learning_rate",
        "train_batch_size",
        "max_epochs",
    )
    facts = {"epoch": header.get("epoch"), **{name: options.get(name) for name in wanted}}
    lines = [f"| {name} | {value} |" for name, value in facts.items() if value not in (None, [])]
    return "\n".join(
        [f"# {header['model_name']}, from {file.name}", "", "| option | value |", "| --- | --- |", *lines]
    )


def list_models(*, trained: bool = True) -> list[str]:
    """Return the names of the models that ship with weights, the default first.

    Args:
        trained: if False, return the names of networks for ``train`` instead, including registered ones.
    """
    return list(NAMES if trained else COLORIZERS)


def load_classifier(dataset_name: str) -> Classifier:
    """Return the classifier for a dataset's classes, in ``eval()`` mode on the CPU.

    Args:
        dataset_name: one of :data:`CLASSIFIERS`.

    Raises:
        ValueError: the dataset has none, or the file was changed since it was shipped.
    """
    if dataset_name not in CLASSIFIERS:
        raise ValueError(
            f"no classifier for {dataset_name!r} ships with colorlab, only for {', '.join(CLASSIFIERS)}; the task "
            "classifier trains one"
        )
    return load_classifier_file(path(f"classifier-{dataset_name}"))


def path(name: str, *, among: Collection[str] = FILES.keys()) -> Path:
    """Return the path of weights that ship, after checking the file.

    Args:
        name: one of :data:`FILES`.
        among: the allowed names.

    Raises:
        ValueError: the name is unknown, or the file was changed since it was shipped.
    """
    if name not in among:
        raise ValueError(
            f"no weights named {name!r} ship with colorlab; there are {', '.join(among)}"
            + (did_you_mean(name, among) or ".")
            + " "
            + (
                f"colorlab.train({name!r}, data) trains a {name}"
                if name in COLORIZERS
                else "Weights of your own are "
                "given as a path (on the command line: --model-path), such as output/my-run/best.safetensors"
            )
        )
    file = _FOLDER / f"{name}.safetensors"
    check(file, FILES[name])
    return file


@functools.lru_cache(maxsize=32)
def check(path: Path, sha256: str) -> None:
    """Raise an error if a file's SHA-256 is not this one."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{path} is not the file that was shipped (SHA-256 {found[:12]}…, expected {sha256[:12]}…); "
            "check it out or reinstall colorlab"
        )


def card(name: str) -> str:
    """Return the model card of one of :data:`FILES` in Markdown: data, recipe, scores with baselines, limits."""
    if name not in FILES:
        raise ValueError(f"no weights named {name!r} ship with colorlab; there are {', '.join(FILES)}")
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8")
