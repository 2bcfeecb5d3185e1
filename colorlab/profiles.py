"""Convert the pixels of a file to sRGB, by its color profile or by a PNG's own chunks.

Profiles are judged by their contents, never by their names. ImageCms converts images of 8 bits. Deeper images, which
it does not accept, are converted here by the curves and the matrix of the profile; for a profile of tables, only the
upper 8 bits are used.
"""

from __future__ import annotations

import functools
import io
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

Floats = npt.NDArray[np.floating[Any]]
Curve = Callable[[Floats], Floats]
Integers = npt.NDArray[Any]

_STRIP_PIXELS = 2**20
_D65 = (0.3127, 0.3290)
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_SRGB = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
# Codes of ITU-T H.273 in cICP → x and y of red, green and blue, and the white point.
_PRIMARIES = {
    1: (_SRGB, _D65),
    5: ((0.64, 0.33, 0.29, 0.60, 0.15, 0.06), _D65),
    6: ((0.63, 0.34, 0.31, 0.595, 0.155, 0.07), _D65),
    7: ((0.63, 0.34, 0.31, 0.595, 0.155, 0.07), _D65),
    9: ((0.708, 0.292, 0.170, 0.797, 0.131, 0.046), _D65),
    11: ((0.680, 0.320, 0.265, 0.690, 0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320, 0.265, 0.690, 0.150, 0.060), _D65),
}


def _srgb_to_light(v: Floats) -> Floats:
    return np.where(v <= 0.04045, v / 12.92, ((np.maximum(v, 0) + 0.055) / 1.055) ** 2.4)


def _bt709_to_light(v: Floats) -> Floats:
    return np.where(v < 0.081, v / 4.5, ((np.maximum(v, 0) + 0.099) / 1.099) ** (1 / 0.45))


def _light_to_srgb(light: Floats) -> Floats:
    light = light.clip(0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def _power(exponent: float) -> Curve:
    return lambda v: np.maximum(v, 0) ** exponent


_TRANSFERS: dict[int, Curve] = {
    **dict.fromkeys((1, 6, 14, 15), _bt709_to_light),
    4: _power(2.2),
    5: _power(2.8),
    8: _power(1.0),
    13: _srgb_to_light,
}
_HDR = {16: "PQ", 18: "HLG"}


@dataclass(frozen=True)
class Encoding:
    """The conversion of stored values to light.

    Attributes:
        curves: from values 0…1 to light 0…1, one for all channels or one for each.
        matrix: from the light of red, green and blue to that of sRGB.
    """

    curves: tuple[Curve, ...]
    matrix: Floats | None = None

    def to_srgb(self, values: Integers) -> Integers:
        """Convert values ``H×W×1|3``, uint8 or uint16, to sRGB of the same type."""
        top = np.iinfo(values.dtype).max
        ramp = np.linspace(0, 1, top + 1)
        if values.shape[2] == 1:
            table = _rounded(_light_to_srgb(self.curves[0](ramp)), values.dtype)
            return table[values]
        tables = [curve(ramp).astype(np.float32) for curve in self.curves]
        tables *= 3 // len(tables)
        out = np.empty_like(values)
        rows = max(1, _STRIP_PIXELS // values.shape[1])
        for start in range(0, len(values), rows):
            part = values[start : start + rows]
            light = np.stack([table[part[..., i]] for i, table in enumerate(tables)], axis=-1)
            if self.matrix is not None:
                light = light @ self.matrix.T.astype(np.float32)
            out[start : start + rows] = _rounded(_light_to_srgb(light), values.dtype)
        return out


def _rounded(values: Floats, dtype: np.dtype[Any]) -> Integers:
    return (values * np.iinfo(dtype).max).round().astype(dtype)


def is_srgb(profile: bytes | None, mode: str) -> bool:
    """Return whether images of a mode (``L``, ``RGB``, ``CMYK``) with this profile are already sRGB.

    A missing or damaged profile, or one for another kind of image, counts as sRGB.
    """
    return not profile or _changes_nothing(profile, mode)


@functools.lru_cache(maxsize=64)
def _changes_nothing(profile: bytes, mode: str) -> bool:
    if mode == "L":
        probe = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    else:
        steps = np.stack(np.meshgrid(*3 * [np.arange(0, 256, 15)], indexing="ij"), axis=-1).astype(np.uint8)
        probe = Image.fromarray(steps.reshape(1, -1, 3))
        probe = probe if mode == "RGB" else Image.new(mode, (1, 1))
    converted = _converted(probe, profile)
    if converted is None:
        return True
    difference = np.asarray(converted, dtype=int) - np.asarray(probe.convert("RGB"), dtype=int)
    return mode != "CMYK" and int(np.abs(difference).max()) <= 1


def _converted(image: Image.Image, profile: bytes) -> Image.Image | None:
    """Convert to RGB; return ``None`` if the profile is damaged or for another kind of image."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None


def image_to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert to 8-bit RGB by the profile if it is valid for such images, else as Pillow does."""
    mode = image.mode
    if mode not in {"L", "RGB", "CMYK"}:  # ImageCms accepts neither palettes nor transparency
        mode = "L" if mode == "LA" else "RGB"
    if profile and not is_srgb(profile, mode):
        converted = _converted(image.convert(mode), profile)
        if converted is not None:
            return converted
    return image.convert("RGB")


def array_to_srgb(values: Integers, profile: bytes | None) -> Integers:
    """Convert ``H×W×1|3``, uint8 or uint16, by the profile if it is valid for such images."""
    mode = "L" if values.shape[2] == 1 else "RGB"
    if profile is None or is_srgb(profile, mode):
        return values
    encoding = _encoding(profile)
    if encoding is not None:
        return encoding.to_srgb(values)
    upper = (values >> 8 if values.dtype == np.uint16 else values).astype(np.uint8)
    converted = _converted(Image.fromarray(upper[..., 0] if mode == "L" else upper), profile)
    return values if converted is None else np.asarray(converted)


# Color profiles made of curves and a matrix (ICC.1:2022, chapters 8 to 10)


@functools.lru_cache(maxsize=64)
def _encoding(profile: bytes) -> Encoding | None:
    try:
        (count,) = struct.unpack_from(">I", profile, 128)
        entries = [struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(min(count, 200))]
        tags = {name: profile[start : start + size] for name, start, size in entries}
        if b"A2B0" in tags:
            return None
        if profile[16:20] == b"GRAY":
            curve = _curve(tags[b"kTRC"])
            if profile[20:24] == b"Lab ":
                return Encoding((lambda v: _light_of_lightness(curve(v)),))
            return Encoding((curve,))
        columns = (
            np.array([struct.unpack_from(">3i", tags[name], 8) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]).T / 65536
        )
        curves = tuple(_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC"))
        return Encoding(curves, np.linalg.inv(_to_d50(_SRGB, _D65)) @ columns)
    except (LookupError, ValueError, struct.error):
        return None


def _light_of_lightness(share: Floats) -> Floats:
    """Convert L* / 100 to light."""
    return np.where(share > 0.08, ((100 * share + 16) / 116) ** 3, share * 100 * (3 / 29) ** 3)


def _curve(tag: bytes) -> Curve:
    if tag[:4] == b"curv":
        (count,) = struct.unpack_from(">I", tag, 8)
        if count == 0:
            return _power(1.0)
        if count == 1:
            return _power(struct.unpack_from(">H", tag, 12)[0] / 256)
        table = np.frombuffer(tag, ">u2", count, 12) / 65535
        return lambda v: np.interp(v, np.linspace(0, 1, len(table)), table)
    (kind,) = struct.unpack_from(">H", tag, 8)
    count = (1, 3, 4, 5, 7)[kind]
    g, a, b, c, d, e, f = [x / 65536 for x in struct.unpack_from(f">{count}i", tag, 12)] + [0.0] * (7 - count)
    if kind == 0:
        return _power(g)
    if kind in (1, 2):  # the part below -b/a is a constant, c
        return lambda v: np.where(v >= -b / a, np.maximum(a * v + b, 0) ** g + c, c)
    return lambda v: np.where(v >= d, np.maximum(a * v + b, 0) ** g + e, c * v + f)


# Color chunks of PNG


def png_encoding(cicp: bytes | None, info: Mapping[Any, Any], what: str) -> Encoding | None:
    """Return the encoding that a PNG's chunks declare, in order of priority: cICP, profile, sRGB, gAMA with cHRM.

    Args:
        cicp: the contents of that chunk.
        info: Pillow's.
        what: the image, for a message.

    Returns:
        ``None`` if the image is sRGB or a profile decides.

    Raises:
        ValueError: the image is meant for HDR screens.
    """
    if cicp is not None and len(cicp) == 4:
        primaries, transfer, _, full_range = cicp
        if transfer in _HDR:
            raise ValueError(f"{what} is meant for HDR screens (cICP {_HDR[transfer]}); convert it to sRGB first")
        if primaries in _PRIMARIES and transfer in _TRANSFERS:
            curve = _TRANSFERS[transfer]
            narrow = lambda v: curve((v * 255 - 16).clip(0, 219) / 219)  # noqa: E731  short enough for a lambda
            return Encoding((curve if full_range else narrow,), _matrix(*_PRIMARIES[primaries]))
    gamma = info.get("gamma")
    if "icc_profile" in info or "srgb" in info or not gamma:
        return None
    white, chromaticities = _D65, _SRGB
    if len(found := info.get("chromaticity", ())) == 8 and min(found) > 0:
        white, chromaticities = (found[0], found[1]), tuple(found[2:])
        # The values that the PNG specification gives for sRGB.
        if abs(gamma - 0.45455) < 1e-5 and np.allclose(found, (*_D65, *_SRGB), atol=1e-4):
            return None
    return Encoding((_power(1 / gamma),), _matrix(chromaticities, white))


def _matrix(primaries: tuple[float, ...], white: tuple[float, float]) -> Floats:
    """Return the matrix from the light of some primaries to that of sRGB."""
    found: Floats = np.linalg.inv(_to_d50(_SRGB, _D65)) @ _to_d50(primaries, white)
    return found


def _to_d50(primaries: tuple[float, ...], white: tuple[float, float]) -> Floats:
    """Return the matrix from the light of some primaries to XYZ, adapted to D50 by Bradford's transform."""
    x, y = np.array(primaries).reshape(3, 2).T
    xyz = np.stack([x / y, np.ones(3), (1 - x - y) / y])
    whole = np.array([white[0] / white[1], 1, (1 - white[0] - white[1]) / white[1]])
    adapt = np.linalg.inv(_BRADFORD) @ np.diag((_BRADFORD @ _D50) / (_BRADFORD @ whole)) @ _BRADFORD
    found: Floats = adapt @ (xyz * np.linalg.solve(xyz, whole))
    return found
