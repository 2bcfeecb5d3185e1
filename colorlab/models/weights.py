"""Save and load weights as self-contained safetensors files.

A file holds the tensors, and in its header the model's name, the value ranges of its input and output, the classes
and options of its training, and the versions that wrote it. Nothing in it is ever executed.
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
# The spelling of the key is that of files of version 0.1.
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
        path: the file; its folder is created if missing.
        facts: more JSON values to store (options, classes, scores).
        dtype: store parameters in this type, ``torch.float16`` to halve the file. Batch norm's statistics keep
            theirs, as variances can exceed the range of 16 bits.
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
            f"the constructor arguments of {model.name or _class_of(model)} cannot be saved with its weights: "
            f"{error}; use only numbers, strings and lists"
        ) from error
    unfinished = path.with_name(path.name + ".part")
    save_file(tensors, unfinished, metadata={_HEADER: text})
    os.replace(unfinished, path)


def _class_of(model: Colorizer | Classifier) -> str:
    """Return where the network was registered, or else its class, as ``module.Class``."""
    registry: Registry[Any] = CLASSIFIERS if isinstance(model, Classifier) else COLORIZERS
    if model.name in registry:
        return registry.origin(model.name)
    kind = type(model.network) if isinstance(model, ModuleColorizer) else type(model)
    return f"{kind.__module__}.{kind.__qualname__}"


def _colorizer_facts(model: Colorizer | Classifier) -> dict[str, object]:
    """Return a colorizer's working size and styles."""
    if not isinstance(model, Colorizer):
        return {}
    facts: dict[str, object] = {"working_size": model.working_size}
    if isinstance(model, DistributionColorizer):
        facts["styles"] = {name: asdict(style) for name, style in model.styles.items()}
    return facts


def describe_weights(path: str | Path) -> Mapping[str, Any]:
    """Return the header that :func:`save_weights` wrote, without loading tensors.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a safetensors file from colorlab, or is damaged.
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
        ValueError: the file is damaged or of another kind, its model is unknown, or its tensors are not that model's.
    """
    header = describe_weights(path)
    model = _load(
        path, header, COLORIZERS, lambda: create_colorizer(header["model_name"], **header.get("arguments", {}))
    )
    try:
        if isinstance(model, DistributionColorizer) and "styles" in header:
            model.styles = {name: Style(**values) for name, values in header["styles"].items()}
            model.style = model.styles[DEFAULT_STYLE]
        size = header.get("working_size", 64)  # older files do not contain it
        if not isinstance(size, int) or size < 1:
            raise ValueError(f"a working size of {size!r}")
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged: its header does not fit a {model.name} ({error})") from error
    model.working_size = size
    return model


def load_classifier(path: str | Path) -> Classifier:
    """Return the classifier stored in ``path``, in ``eval()`` mode, with the names of its classes.

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
    """Check the file, create its network and load the tensors."""
    if header["ranges"] != _RANGES:
        raise ValueError(
            f"{path} was trained with other value ranges ({header['ranges']}) than this colorlab's ({_RANGES})"
        )
    name, origin = header["model_name"], header.get("class", "")
    if name not in registry and origin and not origin.startswith("colorlab."):
        raise ValueError(_missing(path, name, origin, registry))
    try:
        model = create()
    except Exception as error:  # header values may be of any type
        raise ValueError(f"{path} cannot be used here: {error}") from error
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  safe_open is not a mapping
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        # torch's error, kept as the cause, lists every tensor that is missing, unexpected or of another shape.
        raise ValueError(
            f"the tensors in {path} are not those of a {header['model_name']}, its declared model"
        ) from error
    return model.eval()


def _missing(path: str | Path, name: str, origin: str, registry: Registry[Any]) -> str:
    """Return the error message for weights of an unregistered network."""
    module, _, kind = origin.rpartition(".")
    decorator = f"@colorlab.register_{registry.kind}"
    if not name:
        return (
            f'{path} holds weights of {origin}, which had no name when they were saved; write {decorator}("name") '
            "above the class and save them again"
        )
    way = f"first import {module} (on the command line: --import {module})"
    if module == "__main__":
        way = "first run the cell or script that registers it"
    return f"{path} holds weights of the unregistered {registry.kind} {name!r} (class {kind}); {way}"
