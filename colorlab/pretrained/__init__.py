"""Weights that this project trained and ships, each with its model card beside it (``<file>.md``).

Three kinds: colorizers, named as :data:`NAMES` says; classifiers, named after their data set, the judges of semantic
interpretability; and ``trunk``, the convolutions that :class:`colorlab.evaluation.PerceptualDistance` sees with where
it is asked for the trunk ``colorlab``.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Collection
from pathlib import Path

from colorlab.models import Classifier, Colorizer, load_weights
from colorlab.models import load_classifier as load_classifier_file

_FOLDER = Path(__file__).parent

# kind → name → SHA-256 of the file, the default first; written by tools/train_weights.py.
_SHIPPED: dict[str, dict[str, str]] = json.loads((_FOLDER / "shipped.json").read_text(encoding="utf-8"))

NAMES: tuple[str, ...] = tuple(_SHIPPED["colorizers"])
"""The colorizers that :func:`load` knows, the default first."""

CLASSIFIERS: tuple[str, ...] = tuple(name.removeprefix("classifier-") for name in _SHIPPED["classifiers"])
"""The data sets whose classes :func:`load_classifier` can tell apart."""

FILES: dict[str, str] = {name: sha256 for kind in _SHIPPED.values() for name, sha256 in kind.items()}
"""Every file that ships, without its ending, and its SHA-256."""


def load(name: str | None = None) -> Colorizer:
    """A colorizer with the weights that ship, in ``eval()`` mode on the CPU.

    Args:
        name: one of :data:`NAMES`; ``None`` is the first.

    Raises:
        ValueError: an unknown name, or a file whose SHA-256 is not the one it was shipped with.
    """
    return load_weights(path(NAMES[0] if name is None else name, among=NAMES))


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
            f"no weights named {name!r} ship with colorlab; there are {', '.join(among)}. "
            "Weights of your own are loaded by --model-path, or colorlab.models.load_weights(path)"
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
