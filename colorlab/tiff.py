"""Find the image in a TIFF, and read the pixels that Pillow cannot read or misreads."""

from __future__ import annotations

import contextlib
import ctypes
import io
import logging
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image, _imaging

# Silence the readers' logs: what they report either does not matter or raises an error.
for _reader in ("tifffile", "PIL.TiffImagePlugin"):
    logging.getLogger(_reader).addHandler(logging.NullHandler())
    logging.getLogger(_reader).propagate = False
# Pillow's libtiff writes to the terminal itself; silence it where its function can be found.
with contextlib.suppress(OSError, AttributeError):
    ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler(None)

MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_RAW = (32803, 34892)  # sensor colors: a mosaic (CFA), or linear RGB
_PLAIN = (tifffile.PHOTOMETRIC.MINISWHITE, tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.RGB)
_ORIENTATION = 274


@dataclass(frozen=True)
class Page:
    """The image in a TIFF: the largest page that is not marked as a reduced copy of another.

    Attributes:
        page: tifffile's.
        number: how many images the file has, without masks and reduced copies.
        orientation: EXIF orientation, 1…8.
        content: the file, changed for Pillow to make the page first and upright; ``None`` if it already is.
    """

    page: Any
    number: int
    orientation: int
    content: bytes | None

    @property
    def is_raw(self) -> bool:
        """Whether the page holds a camera's raw data."""
        return int(self.page.photometric) in _RAW

    @property
    def profile(self) -> bytes | None:
        """The color profile of the page."""
        tag = self.page.tags.get(34675)
        return bytes(tag.value) if tag is not None and isinstance(tag.value, bytes) else None

    @property
    def is_misread(self) -> bool:
        """Whether Pillow misreads the page: over 8 bits, signed values, floats, or opacity in a separate plane."""
        page = self.page
        has_planes = page.planarconfig == 2 and bool(page.extrasamples)
        return bool(max(np.atleast_1d(page.bitspersample)) > 8 or page.sampleformat != 1 or has_planes)

    def open(self, file: BinaryIO) -> Image.Image:
        """Open the page with Pillow, not rotated."""
        if self.content is not None:
            return Image.open(io.BytesIO(self.content))
        file.seek(0)
        return Image.open(file)

    def pixels(self) -> npt.NDArray[Any]:
        """Read ``H×W×C`` with tifffile, not rotated: gray or RGB of up to 16 bits, then opacity if there is any.

        Raises:
            ValueError: the colors, the number of bits or the compression are not supported.
        """
        page = self.page
        if page.photometric not in _PLAIN:
            raise ValueError(f"its colors are of the unsupported kind {tifffile.PHOTOMETRIC(page.photometric).name}")
        bits, whole = page.bitspersample, (8, 16, 32, 64)
        array = self._decoded() if bits in whole else self._unpacked()
        array = array.reshape(_shape(page, array))
        if page.planarconfig == 2 and page.samplesperpixel > 1:
            array = np.moveaxis(array, 0, -1)
        if array.dtype.kind == "u" and bits not in whole:
            top = 255 if bits < 8 else 65535
            array = (array * (top / (2**bits - 1))).round().astype(np.uint8 if bits < 8 else np.uint16)
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            array = _inverted(array)
        return self._with_opacity(array)

    def _decoded(self) -> npt.NDArray[Any]:
        page = self.page
        try:
            tifffile.TIFF.DECOMPRESSORS[page.compression], tifffile.TIFF.UNPREDICTORS[page.predictor]
            found: npt.NDArray[Any] = page.asarray()
        except (KeyError, ImportError) as error:
            raise ValueError(
                f"its compression, {tifffile.COMPRESSION(page.compression).name}, needs imagecodecs: "
                "pip install 'colorlab[files]'"
            ) from error
        return found

    def _unpacked(self) -> npt.NDArray[Any]:
        """Unpack samples of any number of bits, highest bit first for either byte order."""
        page, bits = self.page, int(np.atleast_1d(self.page.bitspersample)[0])
        if len(set(np.atleast_1d(page.bitspersample))) > 1 or page.sampleformat != 1 or bits > 16:
            raise ValueError(f"it has {page.bitspersample} bits a channel, which cannot be read")
        if page.is_tiled or page.predictor != 1 or page.compression not in (1, 8, 32773, 32946):
            try:
                found: npt.NDArray[Any] = page.asarray()  # where imagecodecs is installed
                return found
            except Exception as error:
                raise ValueError(
                    f"it has {bits} bits a channel, in a compression that only imagecodecs reads: "
                    "pip install 'colorlab[files]'"
                ) from error
        decompress = tifffile.TIFF.DECOMPRESSORS[page.compression]
        planes = page.samplesperpixel if page.planarconfig == 2 else 1
        samples = page.imagewidth * page.samplesperpixel // planes
        width = -(-samples * bits // 8)
        handle, strips = page.parent.filehandle, []
        for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True):
            handle.seek(offset)
            data = handle.read(size)
            if page.fillorder == 2:
                data = np.packbits(np.unpackbits(np.frombuffer(data, np.uint8)).reshape(-1, 8)[:, ::-1]).tobytes()
            data = decompress(data)
            strips.append(np.frombuffer(data, np.uint8, len(data) // width * width))
        rows = np.concatenate(strips).reshape(-1, width)
        height = planes * page.imagelength
        if len(rows) < height:
            raise ValueError(f"it ends after {len(rows)} of {height} rows")
        values = np.zeros((height, samples), np.uint16)
        # Some rows at a time, as unpacked bits take eight times the memory.
        step = max(1, 2**20 // width)
        for top in range(0, height, step):
            part = np.unpackbits(rows[top : min(top + step, height)], axis=1)[:, : samples * bits]
            for bit, column in enumerate(part.reshape(len(part), samples, bits).transpose(2, 0, 1)):
                values[top : top + len(part)] |= column.astype(np.uint16) << (bits - 1 - bit)
        return values

    def _with_opacity(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        colors = 3 if self.page.photometric == tifffile.PHOTOMETRIC.RGB else 1
        kinds = tuple(int(kind) for kind in self.page.extrasamples)
        opacity = next((colors + i for i, kind in enumerate(kinds) if kind in (1, 2)), None)
        if opacity is None or opacity >= array.shape[2]:
            return array[..., :colors]
        alpha = array[..., opacity : opacity + 1]
        pixels = array[..., :colors]
        if kinds[opacity - colors] == 1:  # premultiplied colors
            top = np.iinfo(array.dtype).max if array.dtype.kind in "ui" else 1
            pixels = np.minimum(pixels * (top / np.maximum(alpha, 1e-9)), top).astype(array.dtype)
        return np.concatenate([pixels, alpha], axis=2)


def _shape(page: Any, array: npt.NDArray[Any]) -> tuple[int, ...]:  # noqa: ANN401  tifffile's page is untyped
    samples, size = page.samplesperpixel, (page.imagelength, page.imagewidth)
    return (samples, *size) if page.planarconfig == 2 and samples > 1 else (*size, array.size // (size[0] * size[1]))


def _inverted(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return (1 if array.dtype.kind == "f" else np.iinfo(array.dtype).max) - array


def find_page(file: BinaryIO) -> Page:
    """Return the image in a TIFF.

    Raises:
        Exception: of any type, if the file is damaged.
    """
    file.seek(0)
    tiff = tifffile.TiffFile(file)
    first = tiff.pages[0]
    pages: list[Any] = []
    with contextlib.suppress(Exception):  # keep the pages before damage
        seen: set[int] = set()
        for page in _until_known(tiff.pages, seen):
            pages.append(page)
            pages += _until_known(page.pages or (), seen)
    pages = pages or [first]
    pages = [page for page in pages if isinstance(page, tifffile.TiffPage) and page.imagewidth * page.imagelength > 0]
    pages = [page for page in pages if not page.subfiletype & 4] or [first]
    whole = [page for page in pages if not (page.subfiletype & 1 or _value(page, 255) == 2)] or pages
    page = max(whole, key=lambda page: page.imagewidth * page.imagelength)
    orientation = (
        _value(page, _ORIENTATION) or (_value(first, _ORIENTATION) if page.offset != first.offset else 1) or 1
    )
    content = None
    if page.offset != first.offset or orientation != 1:
        file.seek(0)
        changed = bytearray(file.read())
        order = tiff.byteorder
        if tiff.tiff.is_bigtiff:
            struct.pack_into(f"{order}Q", changed, 8, page.offset)
        else:
            struct.pack_into(f"{order}I", changed, 4, page.offset)
        if (tag := page.tags.get(_ORIENTATION)) is not None:
            struct.pack_into(f"{order}H", changed, tag.valueoffset, 1)
        content = bytes(changed)
    return Page(page, len(whole), orientation, content)


def _until_known(pages: Iterable[Any], seen: set[int]) -> Iterator[Any]:
    """Yield pages until one repeats, since a damaged file may contain an endless loop."""
    for page in pages:
        if page.offset in seen:
            return
        seen.add(page.offset)
        yield page


def _value(page: Any, tag: int) -> int:  # noqa: ANN401
    found = page.tags.get(tag)
    return int(found.value) if found is not None and isinstance(found.value, int) else 0
