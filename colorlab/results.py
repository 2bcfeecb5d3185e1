"""Write results with the metadata of their originals, and never replace files that colorlab did not write."""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import os
import re
import struct
import unicodedata
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

import colorlab
from colorlab import tiff
from colorlab.image import SUFFIXES, kind_of

Format = Literal["png", "jpeg", "tiff", "webp"]

ENDINGS: dict[Format, str] = {"png": ".png", "jpeg": ".jpg", "tiff": ".tif", "webp": ".webp"}
_LONGEST_NAME = 255  # bytes
_SOFTWARE, _DESCRIPTION, _ORIENTATION, _DATE, _ARTIST, _COPYRIGHT = 305, 270, 274, 306, 315, 33432
_EXIF, _GPS = 34665, 34853
_ABOUT = frozenset(
    {269, _DESCRIPTION, 271, 272, 282, 283, 285, 296, _SOFTWARE, _DATE, _ARTIST, 316, 18246, 18249, _COPYRIGHT}
    | set(range(40091, 40096))
)
"""Tags of EXIF and TIFF that describe the image, not the layout of its file."""
_SIZES = (40962, 40963)  # of the original, which may have been rotated
_SEVERAL = frozenset({"GIF", "WEBP", "PNG", "AVIF", "MPO", "HEIF"})
_XMP_KEY = "XML:com.adobe.xmp"
_T = TypeVar("_T")


@dataclass(frozen=True)
class About:
    """The metadata of an image file.

    Attributes:
        images: number of images in the file.
        exif: tags by number; those of date and place in their own dictionaries.
        xmp: as stored.
        dpi: horizontal and vertical.
        text: text of a PNG by keyword.
    """

    images: int = 1
    exif: dict[int, Any] = field(default_factory=dict)
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: dict[str, str] = field(default_factory=dict)


def read_about(path: Path) -> About:
    """Return a file's metadata, without damaged parts."""
    with warnings.catch_warnings(), contextlib.suppress(Exception):  # bad metadata must not stop colorization
        warnings.simplefilter("ignore")
        with open(path, "rb") as file:
            start = file.read(64)
            page = tiff.find_page(file) if kind_of(start) == "tiff" else None
            file.seek(0)
            with Image.open(file) as image:
                return _about(image, page.number if page is not None else _count(image))
    return About()


def _about(image: Image.Image, images: int) -> About:
    found = image.getexif()
    exif = {tag: value for tag, value in found.items() if tag in _ABOUT}
    for number in (_EXIF, _GPS):
        inner: dict[int, Any] = _or(functools.partial(found.get_ifd, number), {})
        if inner:
            exif[number] = {tag: value for tag, value in inner.items() if tag not in _SIZES}
    noted: dict[str, str] = _or(lambda: dict(image.text), {})  # type: ignore[attr-defined]
    text = {
        key: str(value)
        for key, value in noted.items()
        if key != _XMP_KEY and not key.lower().startswith("raw profile type")
    }
    if isinstance(comment := image.info.get("comment"), bytes | str):
        text.setdefault("Comment", comment if isinstance(comment, str) else comment.decode("utf-8", "replace"))
    xmp = image.info.get("xmp") or image.info.get(_XMP_KEY)
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    if xmp:
        # The result is upright, and the thumbnail still shows the gray original.
        xmp = re.sub(rb"(<tiff:Orientation>|tiff:Orientation=[\"'])\d", rb"\g<1>1", xmp)
        xmp = re.sub(rb"<(xmp|xap):Thumbnails>.*?</\1:Thumbnails>", b"", xmp, flags=re.DOTALL)
    dpi = image.info.get("dpi")
    sound = isinstance(dpi, tuple) and len(dpi) == 2 and all(0 < float(value) < 1e6 for value in dpi)
    return About(images, exif, xmp, (float(dpi[0]), float(dpi[1])) if dpi and sound else None, text)


def _or(read: Callable[[], _T], otherwise: _T) -> _T:
    with contextlib.suppress(Exception):
        return read()
    return otherwise


def _count(image: Image.Image) -> int:
    return int(getattr(image, "n_frames", 1)) if image.format in _SEVERAL else 1


# Names


def is_own(path: Path) -> bool:
    """Return whether colorlab wrote a file."""
    software = read_about(path).exif.get(_SOFTWARE)
    return isinstance(software, str) and software.startswith("colorlab ")


def result_names(sources: Iterable[Path], ending: str) -> Iterator[str]:
    """Yield a unique name for each result: the original's; if it is taken, with the original's suffix, then a number.

    Only suffixes of images are removed, so ``St. Mary 1`` stays unchanged.
    """
    taken: set[str] = set()
    for source in sources:
        known = source.suffix.lower() in SUFFIXES
        stem = source.stem if known else source.name
        candidates = itertools.chain([stem, source.name], (f"{source.name}-{i}" for i in itertools.count(2)))
        for candidate in candidates:
            name = _shortened(candidate, ending)
            # Some file systems ignore case and the Unicode form of accents.
            key = unicodedata.normalize("NFC", name).casefold()
            if key not in taken:
                taken.add(key)
                yield name
                break


def _shortened(stem: str, ending: str) -> str:
    over = len(os.fsencode(stem + ending)) - _LONGEST_NAME
    while over > 0:  # cut the middle, to keep the beginning and a number at the end
        stem = stem[: len(stem) // 2 - (over + 3) // 2] + "~" + stem[len(stem) // 2 + (over + 3) // 2 :]
        over = len(os.fsencode(stem + ending)) - _LONGEST_NAME
    return stem + ending


# Files


def identity(path: Path) -> tuple[int, int] | None:
    """Return what identifies a file under all of its paths; ``None`` if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def refuse_to_overwrite(source: Path, target: Path, originals: Set[tuple[int, int] | None]) -> None:
    """Raise an error if a result would replace an original, or a file that colorlab did not write.

    Raises:
        ValueError: the result would replace such a file.
    """
    if identity(target) in originals:
        raise ValueError(f"{source} is skipped: its result would overwrite {target}; give another --output")
    if os.path.lexists(target) and not is_own(target):
        raise ValueError(
            f"{source} is skipped: its result would overwrite {target}, which colorize did not write; move that, or "
            "give another --output"
        )


_numbers = itertools.count()


@dataclass(frozen=True)
class Writer:
    """Writes results.

    Attributes:
        format: of the files.
        quality: of JPEG and WebP, 1…100.
        model: model and style, stored in the metadata.
    """

    format: Format = "png"
    quality: int = 92
    model: str = "colorlab"

    def write(self, pixels: npt.NDArray[Any], target: Path, about: About) -> bool:
        """Write ``H×W×3|4``, uint8 or uint16, atomically.

        Returns:
            Whether the original's metadata was kept; the result has none if it was damaged.

        Raises:
            OSError: the file cannot be written.
            ValueError: the image has transparency, but the format has not.
        """
        if pixels.shape[2] == 4 and self.format == "jpeg":
            raise ValueError(f"{target} would lose its transparency, which JPEG does not have; give another --format")
        unfinished = target.with_name(f".colorlab-{os.getpid()}-{next(_numbers)}.part")
        try:
            kept = True
            with open(unfinished, "xb") as file:
                try:
                    self._encode(pixels, file, about)
                except (OSError, MemoryError):
                    raise
                except Exception:  # EXIF values of wrong types make Pillow raise anything
                    file.seek(0)
                    file.truncate()
                    self._encode(pixels, file, About())
                    kept = False
            os.replace(unfinished, target)
            return kept
        finally:
            unfinished.unlink(missing_ok=True)

    def _encode(self, pixels: npt.NDArray[Any], file: Any, about: About) -> None:  # noqa: ANN401  an open file
        height, width = pixels.shape[:2]
        exif = self._exif(about, width, height)
        more: dict[str, Any] = {"dpi": about.dpi} if about.dpi else {}
        if self.format == "png":
            info = PngInfo()
            info.add(b"sRGB", b"\0")
            for key, value in {**about.text, "Software": exif[_SOFTWARE]}.items():
                info.add_itxt(key[:79], value)
            if about.xmp:
                info.add_itxt(_XMP_KEY, about.xmp.decode("utf-8", "replace"))
            more |= {"pnginfo": info, "exif": exif}
            if pixels.dtype == np.uint16:
                _deep_png(pixels, file, more)
                return
        elif self.format == "tiff":
            _write_tiff(pixels, file, exif, about.xmp)
            return
        else:
            more |= {"exif": exif.tobytes(), "icc_profile": _srgb_profile(), "quality": self.quality}
            more |= {"xmp": about.xmp} if about.xmp else {}
            if self.format == "webp":
                more.pop("dpi", None)  # EXIF contains it
            else:
                more |= {"subsampling": 0 if self.quality >= 90 else 2}
        Image.fromarray(pixels).save(file, format=self.format.upper(), **more)

    def _exif(self, about: About, width: int, height: int) -> Image.Exif:
        exif = Image.Exif()
        for tag, value in about.exif.items():
            exif[tag] = dict(value) if isinstance(value, dict) else value
        for tag, key in ((_DESCRIPTION, "Description"), (_ARTIST, "Author"), (_COPYRIGHT, "Copyright")):
            if self.format != "png" and tag not in exif and key in about.text:
                exif[tag] = about.text[key]
        if about.dpi:
            exif[282], exif[283], exif[296] = *about.dpi, 2
        if _EXIF in about.exif:
            exif[_EXIF] = {**about.exif[_EXIF], _SIZES[0]: width, _SIZES[1]: height}
        before = str(about.exif.get(_SOFTWARE) or about.text.get("Software") or "")
        exif[_ORIENTATION] = 1
        exif[_SOFTWARE] = f"colorlab {colorlab.__version__}: colorized by the model {self.model}" + (
            f" (before: {before})" if before and not before.startswith("colorlab ") else ""
        )
        return exif


def _write_tiff(pixels: npt.NDArray[Any], file: Any, exif: Image.Exif, xmp: bytes | None) -> None:  # noqa: ANN401
    """Write a TIFF with Pillow's directory, as Pillow itself writes no 16-bit color and libtiff no EXIF."""
    from PIL.TiffImagePlugin import ImageFileDirectory_v2

    height, width, channels = pixels.shape
    rows = max(1, 2**20 // pixels[0].nbytes)
    little = pixels.dtype.newbyteorder("<")
    strips = [zlib.compress(pixels[top : top + rows].astype(little).tobytes()) for top in range(0, height, rows)]
    sizes = [len(strip) for strip in strips]
    tags = ImageFileDirectory_v2()
    tags.tagtype |= {273: 4, 279: 4, 700: 1}
    layout = {256: width, 257: height, 258: channels * (8 * pixels.itemsize,), 259: 8, 262: 2, 277: channels}
    layout |= {273: tuple(itertools.accumulate([0, *sizes[:-1]])), 278: rows, 279: tuple(sizes)}
    layout |= {34675: _srgb_profile()} | ({338: 2} if channels == 4 else {}) | ({700: xmp} if xmp else {})
    for tag, value in {**dict(exif), **layout}.items():
        tags[tag] = value
    tags.save(file)
    file.writelines(strips)


def _deep_png(pixels: npt.NDArray[np.uint16], file: Any, options: dict[str, Any]) -> None:  # noqa: ANN401
    """Write a PNG with 16 bits per channel, which Pillow cannot: take Pillow's file and replace its pixels."""
    small = io.BytesIO()
    Image.new("RGB" if pixels.shape[2] == 3 else "RGBA", (1, 1)).save(small, "PNG", **options)
    content, place = small.getvalue(), 8
    file.write(content[:8])
    while place < len(content):
        length, name = struct.unpack_from(">I4s", content, place)
        data = content[place + 8 : place + 8 + length]
        if name == b"IHDR":
            data = struct.pack(">IIB", *pixels.shape[1::-1], 16) + data[9:]
        for part in _packed_rows(pixels) if name == b"IDAT" else [data]:
            file.write(struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part)))
        place += 12 + length


def _packed_rows(pixels: npt.NDArray[np.uint16]) -> Iterator[bytes]:
    """Yield compressed rows, each as its difference from the row above (the filter `Up`)."""
    packer, above = zlib.compressobj(6), np.zeros(pixels.shape[1] * pixels.shape[2] * 2, np.uint8)
    for row in pixels:
        line = row.astype(">u2").view(np.uint8).reshape(-1)
        if part := packer.compress(b"\2" + (line - above).tobytes()):
            yield part
        above = line
    yield packer.flush()


def _srgb_profile() -> bytes:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2020, 1, 1, 0, 0, 0)  # a fixed date, for reproducible files
    return bytes(profile)


__all__: Sequence[str] = [
    "ENDINGS",
    "About",
    "Format",
    "Writer",
    "identity",
    "is_own",
    "read_about",
    "refuse_to_overwrite",
    "result_names",
]
