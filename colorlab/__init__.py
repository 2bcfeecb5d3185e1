"""colorlab: learn automatic image colorization, and do it.

Five verbs: ``colorize`` an image, ``train`` a network, ``evaluate`` it, ``show`` what came out, ``load`` weights
(``list_models`` says which there are). ``register_colorizer`` and its like add networks, datasets, losses and scores
of your own. Everything else is in the rooms of the package, such as ``colorlab.color`` and ``colorlab.models``.
Nothing is imported before it is used.
"""

import importlib as _importlib
import typing as _typing

__version__ = "0.1.0"

if _typing.TYPE_CHECKING:
    from colorlab.data import register_dataset as register_dataset
    from colorlab.evaluation import evaluate as evaluate
    from colorlab.evaluation import register_score as register_score
    from colorlab.hints import Hint as Hint
    from colorlab.inference import colorize as colorize
    from colorlab.models import register_classifier as register_classifier
    from colorlab.models import register_colorizer as register_colorizer
    from colorlab.plots import show as show
    from colorlab.pretrained import list_models as list_models
    from colorlab.pretrained import load as load
    from colorlab.training import register_objective as register_objective
    from colorlab.training import train as train

# What stands at the top level, and the room that it lives in.
_HOMES = {
    "Hint": "hints",
    "colorize": "inference",
    "evaluate": "evaluation",
    "list_models": "pretrained",
    "load": "pretrained",
    "register_classifier": "models",
    "register_colorizer": "models",
    "register_dataset": "data",
    "register_objective": "training",
    "register_score": "evaluation",
    "show": "plots",
    "train": "training",
}

_ROOMS = (
    "color", "data", "evaluation", "exercises", "hints", "image", "inference", "models", "plots", "pretrained",
    "strokes", "training", "widgets",
)  # fmt: skip

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> object:
    # `import colorlab` must stay quick, and torch takes a second.
    if name in _HOMES:
        return getattr(_importlib.import_module(f"colorlab.{_HOMES[name]}"), name)
    if name in _ROOMS:
        return _importlib.import_module(f"colorlab.{name}")
    raise AttributeError(f"module 'colorlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*_HOMES, *_ROOMS])
