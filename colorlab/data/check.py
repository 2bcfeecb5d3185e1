"""Find problems with the images in a folder or archive."""

from __future__ import annotations

import io
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

import numpy as np
import torch
import tyro
from PIL import Image, UnidentifiedImageError
from tqdm.auto import tqdm

from colorlab import color
from colorlab.data.decode import decode
from colorlab.data.names import open_files
from colorlab.image import RAW_SUFFIXES

UNREADABLE = "unreadable"
GRAY = 1.0
"""Images below this colorfulness count as gray; JPEG leaves that much in a gray image stored in color."""

_NARROW = 8
_SAMPLE = 64


@dataclass(frozen=True)
class Finding:
    """Describe a problem with one file.

    Attributes:
        name: file name inside the folder or archive.
        kind: short name of the problem; :data:`UNREADABLE` files cannot be used in training.
        explanation: the problem in a sentence, without the subject.
    """

    name: str
    kind: str
    explanation: str


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """List problems with the images in a folder or tar."""

    folder: Annotated[Path, tyro.conf.Positional]
    """Folder or tar of images."""


def run_check(options: CheckOptions) -> int:
    """Print the findings and their number by kind; return the exit status, 1 if any file is unreadable."""
    files = open_files(options.folder)
    findings = check_folder(options.folder)
    for finding in findings:
        print(f"{finding.name}: {finding.explanation}")
    if files.others:
        print(f"skipped {len(files.others)} files that are not images, first {files.others[0]}")
    counts = Counter(finding.kind for finding in findings)
    print(f"\n{len(files)} files in {options.folder}" + ("" if counts else ": no problems found"))
    for kind, count in counts.most_common():
        print(f"{count:8} {kind}")
    return 1 if counts[UNREADABLE] else 0


def check_folder(path: str | Path) -> list[Finding]:
    """Return the problems found by decoding every image in a folder or tar.

    Empty, truncated and damaged files, unknown formats, and images of more than twice
    ``PIL.Image.MAX_IMAGE_PIXELS`` are unreadable. Files with other findings are usable but may surprise their owner:
    a wrong file extension, more than 8 bits, colors other than RGB, transparency (ignored), several images or frames
    (one is used), a few pixels wide, or gray.

    Raises:
        ValueError: there is no folder or tar, or it cannot be read.
    """
    files = open_files(Path(path))
    findings = [
        Finding(name, "not followed", "is a link to nothing, a pipe or a device, or leads outside; it is skipped")
        for name in files.left_out
    ]
    for index in tqdm(
        range(len(files)), unit="file", desc=f"checking {files.path}", leave=False, disable=None, delay=1
    ):
        name = files.name(index)
        try:
            content = files.read(index)
        except OSError as error:
            findings.append(Finding(name, UNREADABLE, f"cannot be opened: {error.strerror}"))
        else:
            findings += [Finding(name, kind, explanation) for kind, explanation in _inspect_image(content, name)]
    return findings


def _inspect_image(content: bytes, name: str) -> Iterator[tuple[str, str]]:
    try:
        rgb = decode(content)
    except ValueError as error:
        yield UNREADABLE, f"cannot be read: {error}"
        return
    yield from _inspect_header(content, name)
    height, width = rgb.shape[:2]
    if min(height, width) < _NARROW:
        yield "narrow", f"has {width}×{height} pixels"
    # A few thousand pixels are enough.
    few = np.ascontiguousarray(rgb[:: max(1, height // _SAMPLE), :: max(1, width // _SAMPLE)])
    found = float(color.colorfulness(torch.from_numpy(few).movedim(-1, 0)))
    if found < GRAY:
        yield "gray", f"is gray (colorfulness {found:.1f}): a colorizer learns from it to stay gray"


def _inspect_header(content: bytes, name: str) -> Iterator[tuple[str, str]]:
    """Yield the problems that the header shows, or nothing for formats that Pillow does not know."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Image.open(io.BytesIO(content)) as image:
                ending = PurePosixPath(name).suffix.lower()
                called = Image.registered_extensions().get(ending)
                # An MPO is several JPEGs, of which the first is shown; a DIB is a BMP without its file header.
                same = {"MPO": "JPEG", "DIB": "BMP"}
                kind, called = same.get(image.format or "", image.format), same.get(called or "", called)
                if ending == ".mpo":
                    called = "JPEG"
                if called is not None and kind != called and ending not in RAW_SUFFIXES:
                    yield "wrongly named", f"is called {ending}, but is a {kind}"
                if image.mode in ("CMYK", "YCCK", "LAB"):
                    yield "other colors", f"is in {image.mode}, and is converted to sRGB"
                if image.mode.startswith(("I", "F")):
                    yield "more than 8 bits", "has more than 8 bits per channel; 8 are kept"
                if image.has_transparency_data:
                    yield "transparency", "has transparent pixels; their hidden colors are used"
                if kind != "JPEG" and getattr(image, "n_frames", 1) > 1:
                    yield "several images", f"holds {image.n_frames} images; one is used"  # type: ignore[attr-defined]
        except UnidentifiedImageError:
            return
