"""Weights as safetensors files that can be used alone.

A file holds the tensors, and in its header all that is needed to use them: the model's name, the value ranges of
its input and output, the classes and options it was trained with, and the versions it was written with. Nothing
in it is ever executed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

import colorlab
from colorlab.color import AB_SCALE, LIGHTNESS_CENTRE
from colorlab.models.colorizer import Colorizer
from colorlab.models.names import create_colorizer

_HEADER = "colorlab"
_RANGES = {"lightness_centre": LIGHTNESS_CENTRE, "ab_scale": AB_SCALE}


def save_weights(
    model: Colorizer, path: str | Path, facts: Mapping[str, object] | None = None, *, dtype: torch.dtype | None = None
) -> None:
    """Write a colorizer's weights to ``path`` (``.safetensors``), all at once or not at all.

    Args:
        model: a colorizer made by :func:`colorlab.models.create_colorizer`.
        path: the file; its folder is made if missing.
        facts: what else the file should know (options, classes, scores), as JSON can hold it.
        dtype: store floating-point tensors in this type, ``torch.float16`` to halve the file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for key, tensor in model.state_dict().items():
        wanted = dtype if dtype is not None and tensor.is_floating_point() else tensor.dtype
        tensors[key] = tensor.detach().to("cpu", wanted).contiguous()
    header = {
        "model_name": model.name,
        "ranges": _RANGES,
        "versions": {"colorlab": colorlab.__version__, "torch": str(torch.__version__)},
        **(facts or {}),
    }
    unfinished = path.with_name(path.name + ".part")
    save_file(tensors, unfinished, metadata={_HEADER: json.dumps(header)})
    os.replace(unfinished, path)


def describe_weights(path: str | Path) -> Mapping[str, Any]:
    """What :func:`save_weights` wrote about a file, without loading its tensors.

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
    if _HEADER not in metadata:
        raise ValueError(f"{path} was not written by colorlab: it does not say which model it belongs to")
    header: dict[str, Any] = json.loads(metadata[_HEADER])
    return header


def load_weights(path: str | Path) -> Colorizer:
    """The colorizer stored in ``path``, in ``eval()`` mode, float32, on the CPU.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, of another kind, of an unknown model, or its tensors are not that model's.
    """
    header = describe_weights(path)
    if header["ranges"] != _RANGES:
        raise ValueError(
            f"{path} was trained with other value ranges ({header['ranges']}) than this colorlab's ({_RANGES})"
        )
    model = create_colorizer(header["model_name"])
    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  safe_open is no mapping
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(f"the tensors in {path} are not those of a {model.name}: {error}") from error
    return model.eval()
