"""Load published weights into a network without running code from their files."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

# Exceptions from reading a file that is truncated or holds no weights.
UNREADABLE = (OSError, RuntimeError, EOFError, pickle.UnpicklingError)


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a ``.pth`` or ``.safetensors`` file by name; nothing in it is executed.

    Raises:
        ValueError: there is no such file, or it does not hold tensors by name.
    """
    if not path.is_file():
        raise ValueError(f"there is no file {path} to read weights from")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (*UNREADABLE, SafetensorError) as error:
        raise ValueError(f"{path} cannot be read as weights ({type(error).__name__}); it may be truncated") from error
    if not isinstance(state, dict):
        raise ValueError(f"{path} holds a {type(state).__name__}, not weights by name")
    return state


def fill(network: nn.Module, state: Mapping[str, Tensor], origin: str, name: str) -> None:
    """Load tensors into a network by name, or in order if the names are another library's.

    Raises:
        ValueError: a tensor is missing or has another shape; the message names the first.
    """
    wanted = network.state_dict()
    if wanted.keys() != state.keys() and len(wanted) == len(state):
        state = dict(zip(wanted, state.values(), strict=True))
    wrong = [key for key, tensor in wanted.items() if key not in state or state[key].shape != tensor.shape]
    if wrong:
        raise ValueError(f"{origin} does not hold the weights of {name}: {wrong[0]} is missing or of other shape")
    network.load_state_dict({key: state[key] for key in wanted})
