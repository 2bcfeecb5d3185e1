"""Prepare an image from a file or an upload for a widget: its lightness at full and at preview size."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from colorlab import color
from colorlab.image import SUFFIXES, LoadedImage, read_file
from colorlab.inference import full_lightness

PREVIEW_SIZE = 512
"""Largest longer side of a preview, in pixels."""

COLORLESS = 2.0
"""Images below this colorfulness count as gray; JPEG and scanners leave a little color in gray images."""


@dataclass(frozen=True)
class Subject:
    """Hold an image that a widget shows.

    Attributes:
        name: file name, such as ``holiday.jpg``.
        lightness: ``(H, W)`` L in 0…100, full resolution.
        alpha: ``(H, W)`` opacity, uint8, or ``None``.
        small_lightness: ``lightness`` at preview size.
        small_alpha: ``alpha`` at preview size.
    """

    name: str
    lightness: Tensor
    alpha: npt.NDArray[np.uint8] | None
    small_lightness: Tensor
    small_alpha: npt.NDArray[np.uint8] | None

    @property
    def dimensions(self) -> str:
        """Return width × height in pixels."""
        height, width = self.lightness.shape
        return f"{width}×{height}"

    def preview(self, longest: int = PREVIEW_SIZE) -> tuple[Tensor, npt.NDArray[np.uint8] | None]:
        """Return lightness and opacity of a smaller preview, with the longer side ``longest``."""
        return _small(self.small_lightness, self.small_alpha, longest)


def prepare(name: str, image: LoadedImage, longest: int = PREVIEW_SIZE) -> Subject:
    """Return an image's lightness and opacity, at full size and for a preview with the longer side ``longest``."""
    lightness = full_lightness(image)
    return Subject(name, lightness, image.alpha, *_small(lightness, image.alpha, longest))


def _small(
    lightness: Tensor, alpha: npt.NDArray[np.uint8] | None, longest: int
) -> tuple[Tensor, npt.NDArray[np.uint8] | None]:
    small = reduce(lightness, longest)
    height, width = small.shape
    return small, None if alpha is None else np.asarray(Image.fromarray(alpha).resize((width, height)))


def true_lab(image: LoadedImage, subject: Subject) -> Tensor | None:
    """Return an image in Lab at preview size, ``(3, h, w)``; ``None`` if the image is gray."""
    height, width = subject.small_lightness.shape
    rgb = as_tensor(eight_bit(image).resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2))
    return color.rgb_to_lab(rgb) if has_color(rgb) else None


def has_color(rgb: Tensor) -> bool:
    """Tell whether an image, ``(3, H, W)`` uint8, is at least as colorful as :data:`COLORLESS`."""
    return float(color.colorfulness(rgb[None])) >= COLORLESS


def eight_bit(image: LoadedImage) -> Image.Image:
    """Return an image as 8-bit RGB without opacity."""
    pixels = image.rgb if image.rgb.dtype == np.uint8 else image.rgb // 257
    return Image.fromarray(np.ascontiguousarray(pixels, dtype=np.uint8))


def as_tensor(image: Image.Image) -> Tensor:
    """Return an image as an RGB tensor, ``(3, H, W)`` uint8."""
    return torch.from_numpy(np.array(image.convert("RGB"))).movedim(-1, 0)


def as_image(rgb: Tensor) -> Image.Image:
    """Return a tensor, ``(3, H, W)`` uint8 RGB, as an image."""
    return Image.fromarray(rgb.movedim(0, -1).contiguous().numpy())


def reduce(lightness: Tensor, longest: int = PREVIEW_SIZE) -> Tensor:
    """Return lightness, ``(H, W)``, reduced without aliasing to at most ``longest`` on its longer side."""
    height, width = lightness.shape
    scale = min(1.0, longest / max(height, width))
    if scale == 1:
        return lightness
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return F.interpolate(lightness[None, None], size, mode="bilinear", antialias=True, align_corners=False)[0, 0]


@contextmanager
def uploaded_file(name: str, content: bytes) -> Iterator[Path]:
    """Yield the path of a temporary file with the content of an upload.

    Args:
        name: file name in the browser; used in messages, never as a path.
        content: the file's bytes.

    Raises:
        ValueError: the file cannot be read; the message names it.
    """
    suffix = Path(name).suffix.lower()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{suffix if suffix in SUFFIXES else ''}"
        path.write_bytes(content)
        try:
            yield path
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), name)) from error
        except Exception as error:  # decoders raise errors of any type for invalid bytes
            raise ValueError(f"{name} is damaged: {error}") from error


def read_upload(name: str, content: bytes) -> LoadedImage:
    """Return the image in an upload; arguments as in :func:`uploaded_file`.

    Raises:
        ValueError: the upload is not an image, or is damaged; the message names the file.
    """
    try:
        return read_file(io.BytesIO(content), name)
    except ValueError:
        raise
    except Exception as error:  # decoders raise errors of any type for invalid bytes
        raise ValueError(f"{name} is damaged: {error}") from error
