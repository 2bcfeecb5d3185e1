"""Weights as safetensors files that need nothing else to be used.

A file holds the tensors, and in its header all that is needed to use them: the model's name, the value ranges of
its input and output, the classes and options it was trained with, and the versions it was written with. Nothing
in it is ever executed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

import colorlab
from colorlab.color import AB_SCALE, LIGHTNESS_CENTER
from colorlab.models.classifiers import CLASSIFIERS, Classifier, create_classifier
from colorlab.models.colorizer import Colorizer, ModuleColorizer
from colorlab.models.distribution import DEFAULT_STYLE, DistributionColorizer, Style
from colorlab.models.registry import COLORIZERS, create_colorizer
from colorlab.registry import Registry

Network = TypeVar("Network", Colorizer, Classifier)

_HEADER = "colorlab"
# (The key is spelled as in files of version 0.1.)
_RANGES = {"lightness_centre": LIGHTNESS_CENTER, "ab_scale": AB_SCALE}


def save_weights(
    model: Colorizer | Classifier,
    path: str | Path,
    facts: Mapping[str, object] | None = None,
    *,
    dtype: torch.dtype | None = None,
) -> None:
    """Write a network's weights to ``path`` (``.safetensors``), atomically.

    Args:
        model: made by :func:`colorlab.models.create_colorizer` or :func:`colorlab.models.create_classifier`.
        path: the file; its folder is made if missing.
        facts: what else the file should know (options, classes, scores), as JSON can hold it.
        dtype: store parameters in this type, ``torch.float16`` to halve the file. Batch norm's statistics stay as
            they are: variances can lie beyond what 16 bits hold.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {}
    parameters = dict(model.named_parameters())
    for key, tensor in model.state_dict().items():
        wanted = dtype if dtype is not None and key in parameters else tensor.dtype
        tensors[key] = tensor.detach().to("cpu", wanted).contiguous()
    header = {
        "model_name": model.name,
        "class": _class_of(model),
        "arguments": dict(model.arguments),
        **_colorizer_facts(model),
        "ranges": _RANGES,
        "versions": {"colorlab": colorlab.__version__, "torch": str(torch.__version__)},
        **(facts or {}),
    }
    try:
        text = json.dumps(header)
    except TypeError as error:
        raise ValueError(
            f"what {model.name or _class_of(model)} was constructed with cannot be saved with its weights: {error}; "
            "let its constructor take numbers, strings and lists"
        ) from error
    unfinished = path.with_name(path.name + ".part")
    save_file(tensors, unfinished, metadata={_HEADER: text})
    os.replace(unfinished, path)


def _class_of(model: Colorizer | Classifier) -> str:
    """Where the network was registered, or else where its class stands, as ``module.Class``."""
    registry: Registry[Any] = CLASSIFIERS if isinstance(model, Classifier) else COLORIZERS
    if model.name in registry:
        return registry.origin(model.name)
    kind = type(model.network) if isinstance(model, ModuleColorizer) else type(model)
    return f"{kind.__module__}.{kind.__qualname__}"


def _colorizer_facts(model: Colorizer | Classifier) -> dict[str, object]:
    """Return what a colorizer is made with and how it chooses colors."""
    if not isinstance(model, Colorizer):
        return {}
    facts: dict[str, object] = {"working_size": model.working_size}
    if isinstance(model, DistributionColorizer):
        facts["styles"] = {name: asdict(style) for name, style in model.styles.items()}
    return facts


def describe_weights(path: str | Path) -> Mapping[str, Any]:
    """Return what :func:`save_weights` wrote about a file, without loading its tensors.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is no safetensors file of colorlab's, or is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(
            f"{path} is not a readable safetensors file ({error}); colorlab loads no pickled weights, "
            "since those can run code"
        ) from error
    try:
        header = json.loads(metadata.get(_HEADER, ""))
    except ValueError:
        header = None
    if not isinstance(header, dict) or not isinstance(header.get("model_name"), str) or "ranges" not in header:
        raise ValueError(f"{path} was not written by colorlab: it does not say which model it belongs to")
    return header


def load_weights(path: str | Path) -> Colorizer:
    """Return the colorizer stored in ``path``, in ``eval()`` mode, float32, on the CPU.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, of another kind, of an unknown model, or its tensors are not that model's.
    """
    header = describe_weights(path)
    model = _load(
        path, header, COLORIZERS, lambda: create_colorizer(header["model_name"], **header.get("arguments", {}))
    )
    try:
        if isinstance(model, DistributionColorizer) and "styles" in header:
            model.styles = {name: Style(**values) for name, values in header["styles"].items()}
            model.style = model.styles[DEFAULT_STYLE]
        size = header.get("working_size", 64)  # as it was before files said so
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"a working size of {size!r}")
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: its header does not fit a {model.name} ({error})") from error
    model.working_size = size
    return model


def load_classifier(path: str | Path) -> Classifier:
    """Return the classifier stored in ``path``, with the names of its classes.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: as :func:`load_weights`.
    """
    header = describe_weights(path)
    arguments = {**header.get("arguments", {}), "pretrained": False, "classes": header.get("classes", ())}
    return _load(path, header, CLASSIFIERS, lambda: create_classifier(header["model_name"], **arguments))


def _load(
    path: str | Path, header: Mapping[str, Any], registry: Registry[Any], create: Callable[[], Network]
) -> Network:
    """Check the file and load its tensors, for colorizers and classifiers alike."""
    if header["ranges"] != _RANGES:
        raise ValueError(
            f"{path} was trained with other value ranges ({header['ranges']}) than this colorlab's ({_RANGES})"
        )
    name, origin = header["model_name"], header.get("class", "")
    if name not in registry and origin and not origin.startswith("colorlab."):
        raise ValueError(_missing(path, name, origin, registry))
    try:
        model = create()
    except Exception as error:  # what a header holds may be of any type
        raise ValueError(f"{path} cannot be used here: {error}") from error
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  safe_open is no mapping
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        # torch lists every tensor that is missing, left over or of another shape; the cause keeps that list.
        raise ValueError(
            f"the tensors in {path} are not those of a {header['model_name']}, as which it was saved"
        ) from error
    return model.eval()


def _missing(path: str | Path, name: str, origin: str, registry: Registry[Any]) -> str:
    """A sentence about weights whose network nobody has registered, and the way out."""
    module, _, kind = origin.rpartition(".")
    decorator = f"@colorlab.register_{registry.kind}"
    if not name:
        return (
            f'{path} holds weights of {origin}, which had no name when they were saved; write {decorator}("name") '
            "above the class and save them again"
        )
    way = f"import {module} first (on the command line: --import {module})"
    if module == "__main__":
        way = "run the cell or script that does it first"
    return f"{path} holds weights of the {registry.kind} {name!r}, as which {kind} is registered: {way}"
