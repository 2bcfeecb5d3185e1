"""Decode the bytes of a file into a square image of the requested size.

Up to 64 pixels, training and validation images are thumbnails: the largest center square, resized. The loader flips
half of the training images, which is all that the original framework does for CIFAR-10. Above 64 pixels, training
uses random resized crops (Szegedy et al., arXiv:1409.4842), and validation a center crop of 7/8 of the shorter side
(224 of 256 as in the original framework), or ``size`` pixels if that is more and the image has them.

Colors are never changed: they are the target.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import NamedTuple

import simplejpeg
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, RandomResizedCrop, v2

from colorlab.data.decode import decode

THUMBNAIL = 64
"""Images of at most this side are resized as a whole and never cropped at random."""

MIN_AREA = 0.08
"""Default smallest fraction of an image's area that a random crop takes."""

_RATIO = [3 / 4, 4 / 3]


class Box(NamedTuple):
    """A rectangle in an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


def middle(content: bytes, size: int) -> Tensor:
    """Return the center square of an image, ``(3, size, size)`` uint8.

    Raises:
        ValueError: ``content`` is not a readable image.
    """
    share = 1.0 if size <= THUMBNAIL else 7 / 8
    image = _decode(content, math.ceil(size / share))
    height, width = image.shape[1:]
    shorter = min(height, width)
    side = max(round(shorter * share), min(size, shorter))
    return _resized(image, Box((height - side) // 2, (width - side) // 2, side, side), size)


def random_crop(content: bytes, size: int, seed: int, min_area: float = MIN_AREA) -> Tensor:
    """Return a random crop, resized to ``(3, size, size)`` uint8: ``min_area`` to all of the area, 3:4 to 4:3.

    The crop of a JPEG is drawn before decoding, so the decoder can reduce the image as far as the crop allows.

    Args:
        content: the bytes of a file.
        size: side of the crop in pixels.
        seed: decides the crop; torch's global random state does not change.
        min_area: the smallest fraction of the area, in (0, 1].

    Raises:
        ValueError: ``content`` is not a readable image.
    """
    jpeg = _jpeg_size(content)
    if jpeg is not None:
        box = _draw(jpeg, seed, min_area)
        image = _decode(content, math.ceil(size * min(jpeg) / min(box[2:])))
        return _resized(image, _scaled(box, jpeg, image.shape[1:]), size)
    image = _decode(content)
    return _resized(image, _draw(image.shape[1:], seed, min_area), size)


def _draw(shape: Sequence[int], seed: int, min_area: float) -> Box:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Box(*RandomResizedCrop.get_params(torch.empty(3, *shape, device="meta"), [min_area, 1.0], _RATIO))


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Return height and width of a JPEG as stored, before its EXIF rotation; ``None`` for other formats."""
    if content.startswith(b"\xff\xd8"):
        with contextlib.suppress(ValueError):
            height, width, *_ = simplejpeg.decode_jpeg_header(content)
            return height, width
    return None


def _scaled(box: Box, before: Sequence[int], after: Sequence[int]) -> Box:
    """Scale a box from an image of ``before`` pixels to one of ``after``, which may be rotated by 90°.

    Crops with height and width exchanged are equally likely, so the direction of the rotation does not matter.
    """
    if (before[0] > before[1]) != (after[0] > after[1]) and after[0] != after[1]:
        box, before = Box(box.left, box.top, box.width, box.height), before[::-1]
    down, right = after[0] / before[0], after[1] / before[1]
    top, left = int(box.top * down), int(box.left * right)
    height, width = round(box.height * down), round(box.width * right)
    return Box(top, left, max(1, min(height, after[0] - top)), max(1, min(width, after[1] - left)))


def _decode(content: bytes, smallest: int | None = None) -> Tensor:
    # Channels stay last in memory, as decoded: torchvision resizes these twice as fast.
    return torch.from_numpy(decode(content, smallest)).permute(2, 0, 1)


def _resized(image: Tensor, box: Box, size: int) -> Tensor:
    part = image[:, box.top : box.top + box.height, box.left : box.left + box.width]
    if part.shape[1:] == (size, size):
        return part
    resized: Tensor = v2.functional.resize(part, [size, size], InterpolationMode.BICUBIC, antialias=True)
    return resized
