"""Weights that this project trained and ships, each with its model card beside it (``<file>.md``).

Three kinds: colorizers, named as :data:`NAMES` says; classifiers, named after their data set, the judges of semantic
interpretability; and ``trunk``, the convolutions that :class:`colorlab.evaluation.PerceptualDistance` sees with where
it is asked for the trunk ``colorlab``.
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
"""The colorizers that :func:`load` knows, the default first."""

CLASSIFIERS: tuple[str, ...] = tuple(name.removeprefix("classifier-") for name in _SHIPPED["classifiers"])
"""The data sets whose classes :func:`load_classifier` can tell apart."""

FILES: dict[str, str] = {name: sha256 for kind in _SHIPPED.values() for name, sha256 in kind.items()}
"""Every file that ships, without its ending, and its SHA-256."""


def load(model: str | Path | None = None) -> Colorizer:
    """Return a colorizer with trained weights, in ``eval()`` mode on the CPU; a notebook shows its card.

    Weights stay loaded: another call with the same name gives a copy of them, which is the caller's to change.

    Args:
        model: one of :data:`NAMES`; the path of a weights file, such as ``output/my-run/best.safetensors``; ``None``
            is the first of :data:`NAMES`.

    Raises:
        ValueError: an unknown name, a file that is damaged or whose network is not registered, or one that is no
            longer what it was shipped as.
        FileNotFoundError: there is no such file.
    """
    return copy.deepcopy(loaded(model))


def loaded(model: str | Path | None = None, device: str = "cpu") -> Colorizer:
    """:func:`load` without the copy, on a device, for use inside the package: nobody may change it."""
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
    """What a weights file says about itself, in Markdown."""
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
        trained: with False, the names of the networks that ``train`` makes instead, registered ones included.
    """
    return list(NAMES if trained else COLORIZERS)


def load_classifier(dataset_name: str) -> Classifier:
    """The classifier for a data set's classes, in ``eval()`` mode on the CPU.

    Args:
        dataset_name: one of :data:`CLASSIFIERS`.

    Raises:
        ValueError: a data set without one, or a file whose SHA-256 is not the one it was shipped with.
    """
    if dataset_name not in CLASSIFIERS:
        raise ValueError(
            f"no classifier for {dataset_name!r} ships with colorlab, only for {', '.join(CLASSIFIERS)}; the task "
            "classifier trains one"
        )
    return load_classifier_file(path(f"classifier-{dataset_name}"))


def path(name: str, *, among: Collection[str] = FILES.keys()) -> Path:
    """The file of weights that ship, checked.

    Args:
        name: one of :data:`FILES`.
        among: those that will do.

    Raises:
        ValueError: an unknown name, or a file whose SHA-256 is not the one it was shipped with.
    """
    if name not in among:
        raise ValueError(
            f"no weights named {name!r} ship with colorlab; there are {', '.join(among)}{did_you_mean(name, among)}. "
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
    """Refuse a file that is not, to the byte, the one with this SHA-256."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{path} is not the file that was shipped (SHA-256 {found[:12]}…, expected {sha256[:12]}…); "
            "check it out or install colorlab again"
        )


def card(name: str) -> str:
    """The model card of one of :data:`FILES`, in Markdown: data, recipe, scores beside the baselines, limits."""
    if name not in FILES:
        raise ValueError(f"no weights named {name!r} ship with colorlab; there are {', '.join(FILES)}")
    return (_FOLDER / f"{name}.md").read_text(encoding="utf-8")
