"""Reading a picture of any kind: file, PIL image, array or tensor; 8 or 16 bits; with or without colour."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import tifffile
import torch
from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError
from torch import Tensor

PictureSource = str | Path | Image.Image | npt.NDArray[np.generic] | Tensor

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".ppm", ".pgm", ".avif"})
"""File endings taken as pictures when a folder is given."""

_ORIENTATION = 274  # the tag's number in EXIF and TIFF
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
# Pillow keeps the upper byte of 16-bit colour. Told the other order of bytes, it keeps the lower one.
_OTHER_ORDER = {
    f"{channels};16{order}": f"{channels};16{other}"
    for channels in ("RGB", "RGBA")
    for order, other in (("B", "L"), ("L", "B"), ("N", "B" if sys.byteorder == "little" else "L"))
}
_T = TypeVar("_T")


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
        # Always a copy: torch warns of arrays that cannot be written to, which Pillow's are.
        part = np.array(self.rgb[rows].transpose(2, 0, 1), order="C")
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
        return _from_pil(source, f"a PIL image of mode {source.mode}")
    if isinstance(source, Tensor):
        source = source.detach().cpu()
        # NumPy has no bfloat16.
        array = (source.float() if source.is_floating_point() else source).numpy()
        if array.ndim == 3:
            array = array.transpose(1, 2, 0)
        return _from_array(array, f"a tensor of shape {tuple(source.shape)}")
    if isinstance(source, np.ndarray):
        return _from_array(source, f"an array of shape {source.shape}")
    raise TypeError(f"a picture is a path, a PIL image, an array or a tensor, not {type(source).__name__}")


def _read_file(path: Path) -> Picture:
    if os.path.isdir(path):
        raise ValueError(f"{path} is a folder, not a picture")
    with contextlib.ExitStack() as stack:
        # What Pillow warns about (odd EXIF data, many pixels) either does not matter or fails below.
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        try:
            image = stack.enter_context(_decode(path, lambda: Image.open(path)))
        except UnidentifiedImageError as error:
            if path.stat().st_size == 0:
                raise ValueError(f"{path} is empty (0 bytes)") from error
            if path.suffix.lower() in {".tif", ".tiff"}:
                return _from_array(_decode(path, lambda: _tiff_page(path)), str(path))
            raise ValueError(
                f"{path} is not a picture that can be read (its contents are of no known kind)"
            ) from error
        deep = _deep_colour(path, image)
        if deep is not None:
            return _from_array(deep, str(path))
        _decode(path, image.load)
        return _from_pil(image, str(path))


def _decode(path: Path, decode: Callable[[], _T]) -> _T:
    """The result of ``decode``; whatever it raises becomes one sentence about ``path``."""
    try:
        return decode()
    except UnidentifiedImageError:
        raise
    except FileNotFoundError as error:
        raise ValueError(f"{path} does not exist") from error
    except Image.DecompressionBombError as error:
        raise ValueError(f"{path} is too large to be opened safely: {error}") from error
    except MemoryError as error:
        raise ValueError(f"there is not enough memory to read {path}") from error
    except Exception as error:  # a damaged file makes decoders raise anything, from TypeError to zlib.error
        if isinstance(error, OSError) and error.strerror:
            raise ValueError(f"{path} cannot be opened: {error.strerror}") from error
        raise ValueError(f"{path} is damaged or of an unknown variety: {error}") from error


def _deep_colour(path: Path, image: ImageFile.ImageFile) -> npt.NDArray[np.generic] | None:
    """RGB with 16 bits a channel, all of them; ``None`` for every other picture.

    With a colour profile the upper 8 bits have to do, since ImageCms converts no more.
    """
    if image.mode not in {"RGB", "RGBA"} or "transparency" in image.info or not _is_srgb(image):
        return None
    arguments = [tile.args if isinstance(tile.args, tuple) else (tile.args,) for tile in image.tile]
    if image.format == "TIFF" and image.tag_v2.get(284) == 2 and image.tag_v2[258][0] > 8:  # type: ignore[attr-defined]
        # A plane a channel: without compression, Pillow would take 16 bits for 8.
        if image.tile[0].codec_name == "raw":
            return _decode(path, lambda: _tiff_page(path))
        with contextlib.suppress(Exception):  # a compression that tifffile does not know
            return _tiff_page(path)
        return None
    if not arguments or any(layout not in _OTHER_ORDER for layout, *_ in arguments):
        return None
    with Image.open(path) as again:
        again.tile = [
            tile._replace(args=(_OTHER_ORDER[layout], *rest) if rest else _OTHER_ORDER[layout])
            for tile, (layout, *rest) in zip(again.tile, arguments, strict=True)
        ]
        _decode(path, again.load)
        lower = np.asarray(again)
    _decode(path, image.load)
    values = np.asarray(image).astype(np.uint16)
    values <<= 8
    values |= lower
    return _upright(values, image.getexif().get(_ORIENTATION, 1))


def _tiff_page(path: Path) -> npt.NDArray[np.generic]:
    """The first page of a TIFF, upright, ``H×W`` or ``H×W×C``."""
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        if page.photometric not in (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB):
            raise ValueError(f"its colours are of the kind {page.photometric.name}")
        array: npt.NDArray[np.generic] = page.asarray()
        if array.ndim == 3 and page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
            array = array.transpose(1, 2, 0)
        orientation = page.tags.get(_ORIENTATION)
        return _upright(array, 1 if orientation is None else int(orientation.value))


def _upright(array: npt.NDArray[np.generic], orientation: int) -> npt.NDArray[np.generic]:
    """``H×W…`` turned and mirrored as its EXIF orientation asks for."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def _from_pil(image: Image.Image, what: str) -> Picture:
    # 16-bit greys of a TIFF in which 0 is white, which Pillow inverts for 8 bits only.
    negative = image.format == "TIFF" and image.tag_v2.get(262) == 0  # type: ignore[attr-defined]
    # Not ImageOps.exif_transpose: it writes the EXIF data anew, and raises on damaged ones of a sound picture.
    turn = _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    image = image if turn is None else image.transpose(turn)
    if image.width < 1 or image.height < 1:
        raise ValueError(f"{what} has no pixels: it is {image.width}×{image.height}")
    if image.mode.startswith("I") or image.mode == "F":
        values = _deep_grey(image, what)
        return _from_array(65535 - values if negative and values.dtype == np.uint16 else values, what)
    if image.mode == "La":  # which Pillow converts to nothing else
        image = image.convert("LA")
    transparent = image.has_transparency_data
    alpha = np.asarray(image.convert("RGBA").getchannel("A")) if transparent else None
    if alpha is not None and int(alpha.min()) == 255:
        alpha = None
    if image.mode == "L" and "icc_profile" not in image.info:
        grey = np.asarray(image)
        return Picture(np.broadcast_to(grey[..., None], (*grey.shape, 3)), alpha)
    return Picture(np.asarray(_to_srgb(image)), alpha)


def _deep_grey(image: Image.Image, what: str) -> npt.NDArray[Any]:
    """Modes with more than 8 bits: I;16 and I hold 16-bit greys, F anything."""
    values = np.asarray(image)
    if image.mode == "F":
        return values.astype(np.float32)
    if values.min() < 0 or values.max() > 65535:
        raise ValueError(
            f"{what} holds 32-bit integers from {values.min()} to {values.max()}; scale them to 16 bits first"
        )
    return values.astype(np.uint16)


def _to_srgb(image: Image.Image) -> Image.Image:
    """RGB by the embedded colour profile where there is one, else as Pillow does."""
    if _is_srgb(image):
        return image.convert("RGB")
    profile = io.BytesIO(image.info["icc_profile"])
    if image.mode not in {"L", "RGB", "CMYK"}:  # palettes and transparency, which ImageCms does not take
        image = image.convert("L" if image.mode == "LA" else "RGB")
    try:
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, ImageCms.ImageCmsProfile(profile), srgb, outputMode="RGB")
        if converted is not None:
            return converted
    except (ImageCms.PyCMSError, OSError):
        pass  # a damaged profile: its picture is still there, and viewers ignore the profile as well
    return image.convert("RGB")


def _is_srgb(image: Image.Image) -> bool:
    """Whether the colours are sRGB; without a profile, or with a damaged one, they are taken for it."""
    profile = image.info.get("icc_profile")
    if not profile:
        return True
    try:
        return "srgb" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).lower()
    except (ImageCms.PyCMSError, OSError):
        return True


def _from_array(array: npt.NDArray[np.generic], what: str) -> Picture:
    """``H×W`` or ``H×W×C``, C = 1 grey, 3 RGB, 4 RGBA."""
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
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
