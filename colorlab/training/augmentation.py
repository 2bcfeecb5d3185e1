"""Augment the lightness with the faults of old photographs: blur, grain, odd contrast and JPEG blocks.

The colors, which are the target, stay as they are.
"""

from __future__ import annotations

import numpy as np
import simplejpeg
import torch
from torch import Tensor
from torchvision.transforms import v2

_CHANCE = 0.25


def aged(lightness: Tensor) -> Tensor:
    """Return a batch in which each image has each of four faults with probability 0.25.

    Args:
        lightness: ``(N, 1, H, W)`` in [-1, 1].

    Returns:
        A new tensor of the same shape and range. The random numbers are from torch's global generator.
    """
    n = len(lightness)
    device = lightness.device

    def random_images() -> Tensor:
        return (torch.rand(n) < _CHANCE).to(device)

    def between(low: float, high: float) -> Tensor:
        return (low + (high - low) * torch.rand(n, 1, 1, 1)).to(device)

    result = lightness.clone()
    blurred = random_images()
    if bool(blurred.any()):
        sigma = 0.3 + 0.9 * float(torch.rand(()))
        result[blurred] = v2.functional.gaussian_blur(result[blurred], [5, 5], [sigma, sigma])
    contrast = random_images()[:, None, None, None]
    adjusted = ((result + 1) / 2).clamp(min=0) ** between(0.7, 1.4) * between(0.75, 1.0) + between(0.0, 0.15)
    result = torch.where(contrast, adjusted * 2 - 1, result)
    grain = random_images()[:, None, None, None] * between(0.01, 0.08)
    result = (result + grain * torch.randn(result.shape).to(device)).clamp(-1, 1)
    for index in random_images().nonzero().flatten().tolist():
        quality = int(torch.randint(25, 80, ()))
        levels = ((result[index, 0] + 1) * 127.5).round().to("cpu", torch.uint8)
        stored = simplejpeg.encode_jpeg(np.ascontiguousarray(levels[..., None]), quality, colorspace="GRAY")
        blocky = torch.from_numpy(simplejpeg.decode_jpeg(stored, "GRAY")[..., 0])
        result[index, 0] = (blocky.float() / 127.5 - 1).to(device)
    return result
