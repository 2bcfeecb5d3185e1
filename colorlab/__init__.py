"""Learn and use automatic image colorization.

Five verbs: ``colorize`` an image, ``train`` a network, ``evaluate`` it, ``show`` a result, ``load`` weights
(``list_models`` lists them). ``register_colorizer`` and similar functions add your own networks, datasets, losses and
scores. Everything else is in modules such as ``colorlab.color`` and ``colorlab.models``, imported on first use.
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

# Each top-level name and the module that defines it.
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

_MODULES = (
    "color", "data", "evaluation", "exercises", "hints", "image", "inference", "models", "plots", "pretrained",
    "strokes", "training", "widgets",
)  # fmt: skip

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> object:
    # Import on first use: torch alone takes a second.
    if name in _HOMES:
        return getattr(_importlib.import_module(f"colorlab.{_HOMES[name]}"), name)
    if name in _MODULES:
        return _importlib.import_module(f"colorlab.{name}")
    raise AttributeError(f"module 'colorlab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*_HOMES, *_MODULES])
