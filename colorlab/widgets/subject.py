"""An image on its way into a widget: from a file or an upload to lightness, whole and for the preview."""

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
"""Longer side, in pixels, that a preview has at most."""

COLORLESS = 2.0
"""Colorfulness below which an image counts as gray; JPEG and scanners leave a little even where there is none."""


@dataclass(frozen=True)
class Subject:
    """An image on the bench.

    Attributes:
        name: what its owner calls it, such as ``holiday.jpg``.
        lightness: ``(H, W)`` L in 0…100, full resolution.
        alpha: ``(H, W)`` opacity, uint8, or ``None``.
        small_lightness: ``lightness`` for the preview.
        small_alpha: ``alpha`` for the preview.
    """

    name: str
    lightness: Tensor
    alpha: npt.NDArray[np.uint8] | None
    small_lightness: Tensor
    small_alpha: npt.NDArray[np.uint8] | None

    @property
    def dimensions(self) -> str:
        """Width × height in pixels."""
        height, width = self.lightness.shape
        return f"{width}×{height}"

    def preview(self, longest: int = PREVIEW_SIZE) -> tuple[Tensor, npt.NDArray[np.uint8] | None]:
        """Lightness and opacity of a smaller preview, whose longer side is ``longest``."""
        return _small(self.small_lightness, self.small_alpha, longest)


def prepare(name: str, image: LoadedImage, longest: int = PREVIEW_SIZE) -> Subject:
    """An image's lightness and opacity, whole and for a preview whose longer side is ``longest``."""
    lightness = full_lightness(image)
    return Subject(name, lightness, image.alpha, *_small(lightness, image.alpha, longest))


def _small(
    lightness: Tensor, alpha: npt.NDArray[np.uint8] | None, longest: int
) -> tuple[Tensor, npt.NDArray[np.uint8] | None]:
    small = reduce(lightness, longest)
    height, width = small.shape
    return small, None if alpha is None else np.asarray(Image.fromarray(alpha).resize((width, height)))


def true_lab(image: LoadedImage, subject: Subject) -> Tensor | None:
    """Lab of an image at the size of its preview, ``(3, h, w)``; ``None`` if it has no color of its own."""
    height, width = subject.small_lightness.shape
    rgb = as_tensor(eight_bit(image).resize((width, height), Image.Resampling.BICUBIC, reducing_gap=2))
    return color.rgb_to_lab(rgb) if has_color(rgb) else None


def has_color(rgb: Tensor) -> bool:
    """Whether ``(3, H, W)`` uint8 is more colorful than what counts as gray."""
    return float(color.colorfulness(rgb[None])) >= COLORLESS


def eight_bit(image: LoadedImage) -> Image.Image:
    """RGB with 8 bits, without opacity."""
    pixels = image.rgb if image.rgb.dtype == np.uint8 else image.rgb // 257
    return Image.fromarray(np.ascontiguousarray(pixels, dtype=np.uint8))


def as_tensor(image: Image.Image) -> Tensor:
    """``(3, H, W)`` uint8."""
    return torch.from_numpy(np.array(image.convert("RGB"))).movedim(-1, 0)


def as_image(rgb: Tensor) -> Image.Image:
    """The way back from :func:`as_tensor`."""
    return Image.fromarray(rgb.movedim(0, -1).contiguous().numpy())


def reduce(lightness: Tensor, longest: int = PREVIEW_SIZE) -> Tensor:
    """``(H, W)`` made smaller, without aliasing, until its longer side is ``longest``; never larger."""
    height, width = lightness.shape
    scale = min(1.0, longest / max(height, width))
    if scale == 1:
        return lightness
    size = max(1, round(height * scale)), max(1, round(width * scale))
    return F.interpolate(lightness[None, None], size, mode="bilinear", antialias=True, align_corners=False)[0, 0]


@contextmanager
def uploaded_file(name: str, content: bytes) -> Iterator[Path]:
    """A file that exists only in a browser, as one on the disk while it is read.

    Args:
        name: the file's name there; it appears in messages and is never used as a path.
        content: the file's bytes.

    Raises:
        ValueError: whatever goes wrong while it is read; the sentence names the file.
    """
    suffix = Path(name).suffix.lower()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"upload{suffix if suffix in SUFFIXES else ''}"
        path.write_bytes(content)
        try:
            yield path
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), name)) from error
        except Exception as error:  # bytes from anywhere: decoders raise what they like, and this is the last gate
            raise ValueError(f"{name} is damaged: {error}") from error


def read_upload(name: str, content: bytes) -> LoadedImage:
    """Return the image in a file that exists only in a browser; arguments as in :func:`uploaded_file`.

    Raises:
        ValueError: not an image, or a damaged one; the sentence names the file.
    """
    try:
        return read_file(io.BytesIO(content), name)
    except ValueError:
        raise
    except Exception as error:  # bytes from anywhere: decoders raise what they like, and this is the last gate
        raise ValueError(f"{name} is damaged: {error}") from error
