"""Decode the bytes of an image file to uint8 RGB as fast as its format allows.

Almost every image of a dataset is a JPEG. libjpeg-turbo (through ``simplejpeg``) decodes these to the same bits as
Pillow in a fifth (32×32) to two thirds (400×300) of the time, directly at a reduced size if that suffices.
:mod:`colorlab.image` decodes all other formats.
"""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import simplejpeg
from PIL import Image

from colorlab.image import _ORIENTATION, _upright, read_file
from colorlab.profiles import is_srgb


def decode(content: bytes, smallest: int | None = None) -> npt.NDArray[np.uint8]:
    """Decode an image file: upright, in sRGB, with 8 bits per channel.

    Args:
        content: the bytes of a file of any format that :func:`colorlab.image.read_image` reads.
        smallest: if given, a JPEG may be reduced to 1/2, 3/8, 1/4 or 1/8 as long as its shorter side keeps this many
            pixels.

    Returns:
        ``(H, W, 3)`` uint8, writable; a gray image has three equal channels, transparency is ignored.

    Raises:
        ValueError: ``content`` is not an image, or is damaged. The message does not have the file's name.
    """
    rgb: npt.NDArray[Any] | None = None
    if content.startswith(b"\xff\xd8"):
        rgb = _decode_jpeg(content, smallest)
    if rgb is None:
        rgb = read_file(io.BytesIO(content), "the file", smallest).rgb
    if rgb.dtype != np.uint8:
        rgb = (rgb / 257).round().astype(np.uint8)
    return np.require(rgb, requirements=["C", "W"])


def _decode_jpeg(content: bytes, smallest: int | None) -> npt.NDArray[np.generic] | None:
    """Decode an intact JPEG in sRGB; return ``None`` for CMYK, other color profiles and other formats."""
    try:
        orientation = 1
        if _has_metadata(content):
            with _suppress_warnings(), Image.open(io.BytesIO(content)) as header:
                if not is_srgb(header.info.get("icc_profile"), header.mode):
                    return None
                orientation = header.getexif().get(_ORIENTATION, 1)
        height, width, space, _ = simplejpeg.decode_jpeg_header(content)
        if space in ("CMYK", "YCCK") or height * width > (Image.MAX_IMAGE_PIXELS or np.inf):
            return None
        side, factor = (0, 1) if smallest is None else (smallest, 2)
        rgb = simplejpeg.decode_jpeg(content, "RGB", min_height=side, min_width=side, min_factor=factor)
    except Exception:  # `read_file` raises the same error with a clear message
        return None
    return _upright(rgb, orientation)


def _has_metadata(content: bytes) -> bool:
    """Tell whether a JPEG may have EXIF or XMP data (segment APP1) or a color profile (APP2) before its pixels."""
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xDA:  # start of scan
            return False
        if marker in (0xE1, 0xE2):
            return True
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return True


@contextlib.contextmanager
def _suppress_warnings() -> Iterator[None]:
    """Suppress Pillow's warnings (odd EXIF data, many pixels): the causes are harmless, or raise an error too."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
