"""Reading a picture of any kind: file, PIL image, array or tensor; 8 or 16 bits; with or without colour."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
import torch
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError
from torch import Tensor

PictureSource = str | Path | Image.Image | npt.NDArray[np.generic] | Tensor

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm", ".avif"})
"""File endings taken as pictures when a folder is given."""


@dataclass(frozen=True)
class Picture:
    """A picture as read.

    Attributes:
        rgb: ``(H, W, 3)`` sRGB, uint8, or uint16 where the source had more than 8 bits. A grey source is a view
            with three equal channels, which takes no more memory than one.
        alpha: ``(H, W)`` opacity, uint8, or ``None`` for an opaque picture.
    """

    rgb: npt.NDArray[np.unsignedinteger[Any]]
    alpha: npt.NDArray[np.uint8] | None = None

    def strip(self, rows: slice) -> Tensor:
        """Some rows as :func:`colorlab.color.rgb_to_lab` takes them: ``(3, rows, W)`` uint8 or float."""
        part = np.ascontiguousarray(self.rgb[rows].transpose(2, 0, 1))
        if part.dtype == np.uint16:
            return torch.from_numpy(part.astype(np.float32) / 65535)
        return torch.from_numpy(part)


def read_picture(source: PictureSource) -> Picture:
    """Read a picture of any kind; see :func:`colorlab.colorize` for what that includes.

    Raises:
        ValueError: what was given is not a picture; the sentence names the file or the shape. ``FileNotFoundError``
            and other ``OSError`` are turned into it as well, so that one ``except`` serves a list of files.
        TypeError: neither path, image, array nor tensor.
    """
    if isinstance(source, str | Path):
        return _read_file(Path(source))
    if isinstance(source, Image.Image):
        return _from_pil(source)
    if isinstance(source, Tensor):
        array = source.detach().cpu().numpy()
        if array.ndim == 3:
            array = array.transpose(1, 2, 0)
        return _from_array(array, f"a tensor of shape {tuple(source.shape)}")
    if isinstance(source, np.ndarray):
        return _from_array(source, f"an array of shape {source.shape}")
    raise TypeError(f"a picture is a path, a PIL image, an array or a tensor, not {type(source).__name__}")


def _read_file(path: Path) -> Picture:
    if path.is_dir():
        raise ValueError(f"{path} is a folder, not a picture")
    if not path.exists():
        raise ValueError(f"{path} does not exist")
    if path.stat().st_size == 0:
        raise ValueError(f"{path} is empty (0 bytes)")
    try:
        with Image.open(path) as image:
            return _from_pil(image)
    except UnidentifiedImageError as error:
        if path.suffix.lower() in {".tif", ".tiff"}:
            return _read_tiff(path)
        raise ValueError(f"{path} is not a picture that can be read (its contents are of no known kind)") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path} is too large to be opened safely: {error}") from error
    except (OSError, SyntaxError, EOFError) as error:  # Pillow raises SyntaxError for a broken PNG
        raise ValueError(f"{path} is damaged: {error}") from error


def _read_tiff(path: Path) -> Picture:
    """A TIFF that Pillow does not know, above all 16-bit RGB."""
    try:
        array = tifffile.imread(path)
    except (tifffile.TiffFileError, ValueError, OSError) as error:
        raise ValueError(f"{path} is not a TIFF that can be read: {error}") from error
    return _from_array(array, str(path))


def _from_pil(image: Image.Image) -> Picture:
    image = ImageOps.exif_transpose(image)
    if image.width < 1 or image.height < 1:
        raise ValueError(f"a picture needs at least one pixel, got {image.width}×{image.height}")
    if image.mode.startswith("I") or image.mode == "F":
        return _from_array(_deep_grey(image), f"a PIL image of mode {image.mode}")
    transparent = image.has_transparency_data
    alpha = np.asarray(image.convert("RGBA").getchannel("A")) if transparent else None
    if alpha is not None and int(alpha.min()) == 255:
        alpha = None
    if image.mode == "L" and "icc_profile" not in image.info:
        grey = np.asarray(image)
        return Picture(np.broadcast_to(grey[..., None], (*grey.shape, 3)), alpha)
    return Picture(np.asarray(_to_srgb(image)), alpha)


def _deep_grey(image: Image.Image) -> npt.NDArray[np.generic]:
    """Modes with more than 8 bits: I;16 and I hold 16-bit greys, F anything."""
    values = np.asarray(image)
    if image.mode == "F":
        return values.astype(np.float32)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(
            f"this picture of 32-bit integers spans {values.min()}…{values.max()}; scale it to 16 bits first"
        )
    return values.astype(np.uint16)


def _to_srgb(image: Image.Image) -> Image.Image:
    """RGB by the embedded colour profile where there is one, else as Pillow does."""
    profile = image.info.get("icc_profile")
    if image.mode == "P":
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if profile and image.mode in {"L", "RGB", "CMYK"}:
        try:
            embedded = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "srgb" in ImageCms.getProfileDescription(embedded).lower():
                return image.convert("RGB")
            srgb = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(image, embedded, srgb, outputMode="RGB")
            if converted is not None:
                return converted
        except (ImageCms.PyCMSError, OSError):
            pass  # a damaged profile: its picture is still there, and viewers ignore the profile as well
    return image.convert("RGB")


def _from_array(array: npt.NDArray[np.generic], what: str) -> Picture:
    """``H×W`` or ``H×W×C``, C = 1 grey, 3 RGB, 4 RGBA."""
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise ValueError(
            f"{what} is not a picture: expected height × width, with 1, 3 or 4 channels last in an array and "
            "first in a tensor"
        )
    values = _to_integers(array, what)
    alpha = None
    if values.shape[2] == 4:
        opacity = values[..., 3]
        alpha = opacity if opacity.dtype == np.uint8 else (opacity / 257).round().astype(np.uint8)
        values = values[..., :3]
    return Picture(np.broadcast_to(values, (*values.shape[:2], 3)), alpha)


def _to_integers(array: npt.NDArray[Any], what: str) -> npt.NDArray[Any]:
    """The values as uint8 or uint16."""
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint8 or array.dtype == np.uint16:
        return array
    if np.issubdtype(array.dtype, np.floating):
        low, high = float(array.min()), float(array.max())
        # Written so that NaN fails it too.
        if not (low >= -1e-3 and high <= 1 + 1e-3):
            raise ValueError(f"{what} holds floats from {low:g} to {high:g}; a picture of floats lies in 0…1")
        return (array.astype(np.float32).clip(0, 1) * 65535).round().astype(np.uint16)
    raise ValueError(f"{what} has values of type {array.dtype}; pictures are uint8, uint16, bool or float")
