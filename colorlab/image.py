"""Read an image of any kind: file, PIL image, array or tensor; 8 or 16 bits; with or without color."""

from __future__ import annotations

import importlib
import io
import math
import os
import stat
import struct
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from colorlab import profiles, tiff

ImageSource = str | Path | bytes | BinaryIO | Image.Image | npt.NDArray[np.generic] | Tensor

RAW_SUFFIXES = frozenset({".arw", ".cr2", ".cr3", ".dng", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2", ".srw"})
"""Suffixes of camera raw files, which need the extra `files`."""
_USUAL = (
    ".jpg .jpeg .jpe .jfif .mpo .png .apng .webp .tif .tiff .bmp .dib .gif .ppm .pgm .pbm .pnm .avif "
    ".heic .heif .hif .jp2 .j2k .jpf .jpx .tga .qoi .psd"
)
SUFFIXES = frozenset(_USUAL.split()) | RAW_SUFFIXES
"""Suffixes of image files. A file with another suffix may still be an image; its content decides."""

_ORIENTATION = 274  # the tag's number in EXIF and TIFF
_HEIF_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_SIGNS = {
    b"\xff\xd8\xff": "JPEG",
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"GIF87a": "GIF",
    b"GIF89a": "GIF",
    b"\0\0\0\x0cjP  \r\n": "JPEG2000",
    b"\xff\x4f\xff\x51": "JPEG2000",
    b"qoif": "QOI",
    b"8BPS": "PSD",
}
# Pillow keeps the upper byte of 16-bit color. With the byte order swapped, it keeps the lower one.
_OTHER_ORDER = {
    f"{channels};16{order}": f"{channels};16{other}"
    for channels in ("RGB", "RGBA")
    for order, other in (("B", "L"), ("L", "B"), ("N", "B" if sys.byteorder == "little" else "L"))
}


@dataclass(frozen=True)
class LoadedImage:
    """An image that was read.

    Attributes:
        rgb: ``(H, W, 3)`` sRGB, uint8, or uint16 where the source had more than 8 bits. A gray source is a view
            with three equal channels and the memory of one.
        alpha: ``(H, W)`` opacity, uint8, or ``None`` for an opaque image.
    """

    rgb: npt.NDArray[np.unsignedinteger[Any]]
    alpha: npt.NDArray[np.uint8] | None = None

    def strip(self, rows: slice) -> Tensor:
        """Return some rows for :func:`colorlab.color.rgb_to_lab`: ``(3, rows, W)`` uint8 or float."""
        # Always a copy: torch warns about read-only arrays, such as Pillow's.
        part = np.array(self.rgb[rows].transpose(2, 0, 1), order="C")
        if part.dtype == np.uint16:
            return torch.from_numpy(part.astype(np.float32) / 65535)
        return torch.from_numpy(part)


def read_image(source: ImageSource) -> LoadedImage:
    """Read an image of any kind that :func:`colorlab.colorize` accepts.

    Raises:
        ValueError: the source is not an image; the message names the file or the shape. ``FileNotFoundError`` and
            other ``OSError`` also become a ``ValueError``.
        TypeError: the source is not a path, bytes, file object, image, array or tensor.
    """
    if isinstance(source, str | Path):
        return _read_path(Path(source))
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
    if isinstance(source, bytes | bytearray | memoryview):
        return read_file(io.BytesIO(source), f"the image in {len(source)} bytes")
    if hasattr(source, "read"):
        content = source.read()
        if isinstance(content, bytes):
            return read_file(io.BytesIO(content), str(getattr(source, "name", "the file object")))
        raise TypeError(f"{getattr(source, 'name', 'the file object')} is open as text; open it with mode 'rb'")
    raise TypeError(
        "an image is a path, bytes, a file object, a PIL image, an array or a tensor, not " + type(source).__name__
    )


def _read_path(path: Path) -> LoadedImage:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise ValueError(f"{path} does not exist") from error
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be opened: {getattr(error, 'strerror', None) or error}") from error
    if stat.S_ISDIR(mode):
        raise ValueError(f"{path} is a folder, not an image")
    if not stat.S_ISREG(mode):
        raise ValueError(f"{path} is a pipe or a device, not a file")
    try:
        with open(path, "rb") as file:
            return read_file(file, str(path))
    except OSError as error:
        raise ValueError(f"{path} cannot be opened: {error.strerror or error}") from error


def read_file(file: BinaryIO, what: str, smallest: int | None = None) -> LoadedImage:
    """Read an open image file, whose content decides its kind.

    Args:
        file: open, at any position.
        what: its name, for messages.
        smallest: if given, a JPEG may be reduced while decoding, to a shorter side of at least this many pixels.

    Raises:
        ValueError: the file is not an image, is damaged, or needs a package that is not installed.
    """
    with warnings.catch_warnings():
        # Pillow's warnings (odd EXIF data, many pixels) either do not matter or become errors below.
        warnings.simplefilter("ignore")
        try:
            return _read(file, what, smallest)
        except ImageError:
            raise
        except UnidentifiedImageError as error:
            file.seek(0)
            if kind := kind_of(file.read(64)):
                raise ValueError(f"{what} begins like {kind.upper()}, but is damaged or truncated") from error
            raise ValueError(
                f"{what} is not an image that can be read (its contents are of no known kind)"
            ) from error
        except Image.DecompressionBombError as error:
            raise ValueError(f"{what} is too large to be opened safely: {error}") from error
        except MemoryError as error:
            raise ValueError(f"there is not enough memory to read {what}") from error
        except Exception as error:  # a damaged file makes decoders raise anything, from TypeError to zlib.error
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise ValueError(f"{what} is damaged or of an unsupported variety: {reason}") from error


class ImageError(ValueError):
    """An error whose message is complete."""


def kind_of(start: bytes) -> str | None:
    """Return the kind of image file that begins with these (64) bytes; ``None`` if they match no kind.

    ``raw`` is a camera's file, ``HEIC`` one that Pillow cannot read by itself, ``tiff`` a TIFF or a camera's file;
    other names are Pillow's.
    """
    if start[:4] in tiff.MAGIC:
        return "raw" if start[8:10] == b"CR" else "tiff"
    if (
        start.startswith((b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb"))
        or start[4:12] == b"ftypcrx "
    ):
        return "raw"
    if start[4:8] == b"ftyp":
        brands = {start[8:12], *(start[i : i + 4] for i in range(16, min(len(start), start[3]) - 3, 4))}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        return "HEIC" if brands & _HEIF_BRANDS else None
    for sign, kind in _SIGNS.items():
        if start.startswith(sign):
            return kind
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "WEBP"
    if start[:2] == b"BM" and start[14:18] in {bytes([size, 0, 0, 0]) for size in (12, 40, 52, 56, 64, 108, 124)}:
        return "BMP"
    if start[:1] == b"P" and start[1:2] in b"123456" and start[2:3] in b" \t\r\n#" and len(start) > 6:
        return "PPM"
    return None


def _read(file: BinaryIO, what: str, smallest: int | None) -> LoadedImage:
    file.seek(0)
    start = file.read(64)
    file.seek(0)
    if not start:
        raise ImageError(f"{what} is empty (0 bytes)")
    kind = kind_of(start)
    if kind == "raw":
        return _developed(file, what)
    if kind == "tiff":
        return _read_tiff(file, what)
    if kind == "HEIC":
        _extra("pillow_heif", f"{what} is a HEIC image").register_heif_opener()
    with Image.open(file) as image:
        if smallest is not None:
            image.draft(None, (smallest, smallest))
        chunks = _png_chunks(file) if image.format == "PNG" else {}
        deep = _deep_color(file, image)
        if deep is None:
            image.load()
            return _from_pil(image, what, chunks=chunks)
        colors = 1 if deep.shape[2] < 3 else 3
        alpha = _opacity(deep[..., colors:]) if deep.shape[2] > colors else _keyed(deep, image, chunks)
        profile, encoding = image.info.get("icc_profile"), _png(image, chunks, what)
        return _finished(deep[..., :colors], alpha, _orientation(image), profile, encoding)


def _read_tiff(file: BinaryIO, what: str) -> LoadedImage:
    page = tiff.find_page(file)
    if page.is_raw:
        return _developed(file, what)
    width, height, most = page.page.imagewidth, page.page.imagelength, 2 * (Image.MAX_IMAGE_PIXELS or math.inf)
    if width * height > most:  # Pillow's limit; tifffile would allocate the memory first
        raise ImageError(f"{what} is too large to be opened safely: it claims {width}×{height} pixels")
    values, reason = _pixels(page) if page.is_misread else (None, "")
    bits = int(max(np.atleast_1d(page.page.bitspersample)))
    if values is None and (not reason or bits in (8, 16)) and page.page.sampleformat == 1:
        try:
            image = page.open(file)
        except UnidentifiedImageError:
            values, reason = _pixels(page)
        else:
            with image:
                source = io.BytesIO(page.content) if page.content is not None else file
                values = _deep_color(source, image)
                if values is None:
                    image.load()
                    return _from_pil(image, what, orientation=page.orientation)
    if values is None:
        raise ImageError(f"{what} cannot be read: {reason}")
    integers = values.dtype.kind in "iu" and values.dtype.itemsize > 1
    whole = _sixteen_bits(values, what) if integers else _to_integers(values, what)
    colors = 1 if whole.shape[2] < 3 else 3
    return _finished(whole[..., :colors], _opacity(whole[..., colors:]), page.orientation, page.profile)


def _pixels(page: tiff.Page) -> tuple[npt.NDArray[Any] | None, str]:
    """Return the pixels that tifffile reads, or None and the reason."""
    try:
        return page.pixels(), ""
    except ValueError as error:
        return None, str(error)


def _opacity(values: npt.NDArray[Any]) -> npt.NDArray[np.uint8] | None:
    """Return ``H×W×0|1`` opacity as 8 bits ``H×W``, or None if there is none."""
    if values.shape[2] == 0:
        return None
    alpha: npt.NDArray[np.uint8] = values[..., 0]
    return alpha if alpha.dtype == np.uint8 else (alpha / 257).round().astype(np.uint8)


def _developed(file: BinaryIO, what: str) -> LoadedImage:
    """Develop a camera's raw data with LibRaw's defaults, 16 bits per channel."""
    rawpy = _extra("rawpy", f"{what} holds a camera's raw data")
    file.seek(0)
    try:
        with rawpy.imread(file) as raw:
            return LoadedImage(raw.postprocess(use_camera_wb=True, output_bps=16, gamma=(2.4, 12.92)))
    except Exception as error:  # rawpy has its own exceptions, with messages in bytes
        reason = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else error
        raise ImageError(f"{what} holds a camera's raw data that cannot be developed: {reason}") from error


def _extra(module: str, what: str) -> Any:  # noqa: ANN401  a module that may be missing
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ImageError(f"{what}, which needs {module}: pip install 'colorlab[files]'") from error


def _deep_color(file: BinaryIO, image: Image.Image) -> npt.NDArray[np.uint16] | None:
    """Return all 16 bits of color, or of gray with opacity, not rotated; ``None`` for other images."""
    tiles = getattr(image, "tile", [])
    arguments = [tile.args if isinstance(tile.args, tuple) else (tile.args,) for tile in tiles]
    if arguments == [("LA;16B",)]:  # four bytes per pixel
        image._mode, image.tile = "RGBA", [tile._replace(args="RGBA") for tile in tiles]  # type: ignore[attr-defined]
        return np.asarray(image).view(">u2").astype(np.uint16)
    if image.mode not in {"RGB", "RGBA"} or not arguments:
        return None
    if any(layout not in _OTHER_ORDER for layout, *_ in arguments):
        return None
    image.load()
    file.seek(0)
    with Image.open(file) as again:
        again.tile = [
            tile._replace(args=(_OTHER_ORDER[layout], *rest) if rest else _OTHER_ORDER[layout])
            for tile, (layout, *rest) in zip(again.tile, arguments, strict=True)
        ]
        again.load()
        lower = np.asarray(again)
    values = np.asarray(image).astype(np.uint16)
    values <<= 8
    values |= lower
    return values


def _png_chunks(file: BinaryIO) -> dict[bytes, bytes]:
    """Return the small chunks before a PNG's pixels that Pillow omits or changes."""
    place, found = file.tell(), {}
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name == b"IDAT":
            break
        if name in (b"IHDR", b"tRNS", b"cICP") and length <= 1024:
            found[name] = file.read(length)
            length = 0
        file.seek(length + 4, os.SEEK_CUR)
    file.seek(place)
    return found


def _png(image: Image.Image, chunks: Mapping[bytes, bytes], what: str) -> profiles.Encoding | None:
    if image.format != "PNG":
        return None
    try:
        return profiles.png_encoding(chunks.get(b"cICP"), image.info, what)
    except ValueError as error:
        raise ImageError(str(error)) from error


def _keyed(
    values: npt.NDArray[Any], image: Image.Image, chunks: Mapping[bytes, bytes]
) -> npt.NDArray[np.uint8] | None:
    """Return the opacity of a gray or color PNG with one transparent value; ``None`` for others."""
    header, key = chunks.get(b"IHDR", b""), chunks.get(b"tRNS", b"")
    if len(header) != 13 or header[9] not in (0, 2) or len(key) != (2 if header[9] == 0 else 6):
        return None
    top = 2 ** header[8] - 1
    wanted = np.frombuffer(key, ">u2").astype(int) & top
    if header[8] < 8:
        wanted = wanted * 255 // top
    same = (values.reshape(*values.shape[:2], -1) == wanted).all(axis=2)
    return np.where(same, 0, 255).astype(np.uint8)


def _orientation(image: Image.Image) -> int:
    return int(image.getexif().get(_ORIENTATION, 1) or 1)


def _finished(
    values: npt.NDArray[Any],
    alpha: npt.NDArray[np.uint8] | None,
    orientation: int,
    profile: bytes | None,
    encoding: profiles.Encoding | None = None,
) -> LoadedImage:
    """Return an image from stored values ``H×W×1|3``, uint8 or uint16."""
    values = encoding.to_srgb(values) if encoding is not None else profiles.array_to_srgb(values, profile)
    values = _upright(values, orientation)
    if alpha is not None:
        alpha = None if alpha.size and int(alpha.min()) == 255 else _upright(alpha, orientation)
    return LoadedImage(np.broadcast_to(values, (*values.shape[:2], 3)), alpha)


def _upright(array: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Rotate and mirror ``H×W…`` according to its EXIF orientation."""
    if orientation in (5, 6, 7, 8):
        array = array.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    return array


def _from_pil(
    image: Image.Image, what: str, *, orientation: int | None = None, chunks: Mapping[bytes, bytes] | None = None
) -> LoadedImage:
    chunks = chunks or {}
    # In a TIFF, 0 may be white, which Pillow inverts for 8 bits only.
    negative = image.format == "TIFF" and image.tag_v2.get(262) == 0  # type: ignore[attr-defined]
    # Not ImageOps.exif_transpose: it rewrites the EXIF data, and raises if that is damaged.
    orientation = _orientation(image) if orientation is None else orientation
    if image.width < 1 or image.height < 1:
        raise ImageError(f"{what} has no pixels: it is {image.width}×{image.height}")
    profile, encoding = image.info.get("icc_profile"), _png(image, chunks, what)
    if image.mode.startswith("I") or image.mode == "F":
        values = _to_integers(_deep_gray(image, what)[..., None], what)
        if negative and values.dtype == np.uint16:
            values = 65535 - values
        return _finished(values, _keyed(values, image, chunks), orientation, profile, encoding)
    if image.mode == "La":  # Pillow converts it to no other mode
        image = image.convert("LA")
    alpha: npt.NDArray[np.uint8] | None = None
    if b"tRNS" in chunks and image.mode in ("1", "L", "RGB"):
        alpha = _keyed(np.asarray(image.convert("L") if image.mode == "1" else image), image, chunks)
    elif image.has_transparency_data:
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    is_gray = image.mode in ("1", "L", "LA")
    if is_gray or encoding is not None:
        values = np.asarray(image.convert("L" if is_gray else "RGB"))
        return _finished(values.reshape(*values.shape[:2], -1), alpha, orientation, profile, encoding)
    return _finished(np.asarray(profiles.image_to_srgb(image, profile)), alpha, orientation, None)


def _deep_gray(image: Image.Image, what: str) -> npt.NDArray[Any]:
    """Return the values of a mode with more than 8 bits: 16-bit grays of I;16 and I, floats of F."""
    values = np.asarray(image)
    return values.astype(np.float32) if image.mode == "F" else _sixteen_bits(values, what)


def _sixteen_bits(values: npt.NDArray[Any], what: str) -> npt.NDArray[np.uint16]:
    """Convert integers of any size to uint16, or refuse them if they need more bits."""
    if values.min() < 0 or values.max() > 65535:
        raise ImageError(
            f"{what} holds {8 * values.itemsize}-bit integers from {values.min()} to {values.max()}; scale them to "
            "16 bits first"
        )
    return values.astype(np.uint16)


def _from_array(array: npt.NDArray[np.generic], what: str) -> LoadedImage:
    """Return the image in an array ``H×W`` or ``H×W×C``, C = 1 gray, 3 RGB, 4 RGBA."""
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise ValueError(
            f"{what} is not an image: expected height × width, with 1, 3 or 4 channels last in an array and "
            "first in a tensor"
        )
    values = _to_integers(array, what)
    alpha = None
    if values.shape[2] == 4:
        alpha = _opacity(values[..., 3:])
        values = values[..., :3]
    return LoadedImage(np.broadcast_to(values, (*values.shape[:2], 3)), alpha)


def _to_integers(array: npt.NDArray[Any], what: str) -> npt.NDArray[Any]:
    """Convert the values to uint8 or uint16."""
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype == np.uint8 or array.dtype == np.uint16:
        return array
    if np.issubdtype(array.dtype, np.floating):
        low, high = float(array.min()), float(array.max())
        # This form also rejects NaN.
        if not (low >= -1e-3 and high <= 1 + 1e-3):
            raise ImageError(f"{what} holds floats from {low:g} to {high:g}; an image of floats lies in 0…1")
        return (array.astype(np.float32).clip(0, 1) * 65535).round().astype(np.uint16)
    raise ImageError(f"{what} has values of type {array.dtype}; images are uint8, uint16, bool or float")
