"""Damaged files of every kind, drawn with a fixed seed: each gives a result or one sentence, and nothing else.

Nothing else means no other exception, no line on the terminal from a library, no warning, and no long wait.
"""

from __future__ import annotations

import contextlib
import io
import json
import signal
import tarfile
import zlib

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from test_files_as_people_have_them import RAMP, packed, png_of, profile_of, tiff_of

from colorlab import hints, pretrained
from colorlab.data import create_dataset
from colorlab.data.decode import decode
from colorlab.image import read_file
from colorlab.models import load_classifier, load_weights
from colorlab.results import read_about
from colorlab.training.checkpoint import load_state, save_state

SECONDS = 10  # that a single file may take on a machine with more to do

COLOR = np.random.default_rng(0).integers(0, 256, (18, 14, 3)).astype(np.uint8)
DEEP = np.arange(18 * 14, dtype=np.uint16).reshape(18, 14) * 257
EXIF = Image.Exif()
EXIF[274], EXIF[270], EXIF[36867] = 6, "a cat", "1931:07:04 12:00:00"


def saved(kind, mode="RGB", **options):
    """By Pillow."""
    file = io.BytesIO()
    Image.fromarray(COLOR).convert(mode).save(file, kind, **options)
    return file.getvalue()


def by_tifffile(array, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def album(kind, **options):
    return saved(kind, save_all=True, append_images=[Image.new("RGB", (14, 18), "red")], **options)


SRGB_LINEAR = profile_of(1.0, primaries=True)

IMAGES = {
    "JPEG": saved("JPEG", exif=EXIF, dpi=(300, 300)),
    "JPEG, progressive": saved("JPEG", progressive=True),
    "JPEG, gray": saved("JPEG", "L"),
    "JPEG, inks": saved("JPEG", "CMYK"),
    "JPEG, profile": saved("JPEG", icc_profile=SRGB_LINEAR),
    "MPO": album("MPO"),
    "PNG": saved("PNG", exif=EXIF),
    "PNG, palette": saved("PNG", "P", transparency=3),
    "PNG, opacity": saved("PNG", "RGBA"),
    "PNG, 1 bit": saved("PNG", "1"),
    "PNG, 16 bits": png_of(DEEP, (b"gAMA", b"\0\0\xd9\x04"), (b"tRNS", b"\1\1")),
    "PNG, 16 bits of color": png_of(
        np.dstack(3 * [DEEP]), (b"iCCP", b"x\0\0" + zlib.compress(SRGB_LINEAR)), (b"tRNS", b"\1\1\1\1\1\1")
    ),
    "PNG, cICP": png_of(COLOR, (b"cICP", b"\x0c\x0d\0\1")),
    "APNG": album("PNG"),
    "TIFF": saved("TIFF", exif=EXIF),
    "TIFF, LZW": saved("TIFF", compression="tiff_lzw"),
    "TIFF, deflate": saved("TIFF", compression="tiff_adobe_deflate"),
    "TIFF, JPEG": saved("TIFF", compression="jpeg"),
    "TIFF, fax": saved("TIFF", "1", compression="group4"),
    "TIFF, palette": saved("TIFF", "P"),
    "TIFF, Lab": saved("TIFF", "LAB"),
    "TIFF, pages": album("TIFF"),
    "TIFF, 12 bits": tiff_of(
        packed((RAMP * 4095).round().astype(int), 12), (6, 4), (12,), order=">", extra=[(274, 3, 6)]
    ),
    "TIFF, 12 bits deflated": tiff_of(
        zlib.compress(packed((RAMP * 4095).round().astype(int), 12)), (6, 4), (12,), compression=8
    ),
    "TIFF, 16 bits": by_tifffile(DEEP, iccprofile=profile_of(1.8)),
    "TIFF, 16 bits of color": by_tifffile(np.dstack(4 * [DEEP]), photometric="rgb", extrasamples=["assocalpha"]),
    "TIFF, planes": by_tifffile(np.stack(3 * [DEEP]), photometric="rgb", planarconfig="separate"),
    "TIFF, tiles": by_tifffile(DEEP, tile=(16, 16), compression="zlib", predictor=2),
    "TIFF, floats": by_tifffile((DEEP / 65535).astype(np.float32)),
    "TIFF, big": by_tifffile(DEEP, bigtiff=True, byteorder=">"),
    "TIFF, raw data": tiff_of(DEEP.tobytes(), (14, 18), (16,), photometric=32803),
    "WebP": saved("WEBP", exif=EXIF),
    "WebP, lossless": saved("WEBP", "RGBA", lossless=True),
    "WebP, moving": album("WEBP"),
    "GIF": saved("GIF"),
    "GIF, moving": album("GIF"),
    "BMP": saved("BMP"),
    "BMP, palette": saved("BMP", "P"),
    "DIB": saved("DIB"),
    "JPEG 2000": saved("JPEG2000"),
    "JPEG 2000, bare": saved("JPEG2000", no_jp2=True),
    "AVIF": saved("AVIF"),
    "TGA": saved("TGA", "RGBA", compression="tga_rle"),
    "PPM": saved("PPM"),
    "PGM, text": b"P2\n3 2\n255\n0 50 100\n150 200 255\n",
    "PGM, 16 bits": b"P5\n14 18\n65535\n" + DEEP.astype(">u2").tobytes(),
    "QOI": saved("QOI"),
    "PSD": b"8BPS\0\1" + bytes(6) + b"\0\3\0\0\0\x12\0\0\0\x0e\0\x08\0\3" + bytes(14) + COLOR.tobytes(),
    "HEIC": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200),
}


def damaged(content, seed, count):
    """Files that differ from a sound one: a few bits, bytes, missing, repeated and moved parts, cut ends."""
    rng = np.random.default_rng([seed, len(content)])
    for number in range(count):
        data = bytearray(content)
        # The first part of a file says what the rest is.
        early = min(len(data), 200) if number % 2 else len(data)
        for _ in range(int(rng.integers(1, 5))):
            start, length = int(rng.integers(max(1, min(early, len(data))))), int(rng.integers(1, 40))
            kind = int(rng.integers(7))
            if kind == 0:
                del data[start + 1 :]
            elif kind == 1:
                del data[start : start + length]
            elif kind == 2:
                data[start:start] = data[start : start + length]
            elif kind == 3:
                data[start : start + length] = bytes([int(rng.choice([0, 1, 127, 128, 255]))]) * length
            elif kind == 4:
                data[start : start + 1] = rng.bytes(1)
            else:
                data[start : start + 1] = bytes(byte ^ 1 << int(rng.integers(8)) for byte in data[start : start + 1])
        yield checked(bytes(data)) if number % 3 else bytes(data)


def checked(content):
    """With the right checksums where it is a PNG, or else little of its damage would be looked at."""
    if not content.startswith(b"\x89PNG\r\n\x1a\n"):
        return content
    data, place = bytearray(content), 8
    while place + 12 <= len(data):
        end = place + 8 + int.from_bytes(data[place : place + 4], "big")
        data[end : end + 4] = zlib.crc32(data[place + 4 : end]).to_bytes(4, "big") if end + 4 <= len(data) else b""
        place = end + 4
    return bytes(data)


@contextlib.contextmanager
def sentence(what, content, capfd, allowed=None):
    """A result, or a ValueError of one line; soon, and without a word."""

    def too_long(*_):
        pytest.fail(f"{what}: takes longer than {SECONDS} s")  # not an Exception, so that nobody catches it

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(SECONDS)
    words = "none"
    try:
        yield
    except ValueError as error:
        words = str(error)
    except Exception as error:
        raise AssertionError(f"{what}: {content[:4000]!r}") from error
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert words, what
    assert "\n" not in words, what
    said = capfd.readouterr()
    lines = [line for line in (said.out + said.err).splitlines() if allowed is None or allowed not in line]
    assert lines == [], what


@pytest.mark.parametrize("kind", IMAGES)
def test_images(kind, capfd, tmp_path):
    path = tmp_path / "image"
    for number, content in enumerate([IMAGES[kind], *damaged(IMAGES[kind], 1, 60)]):
        what = f"{kind}, {number}"
        with sentence(what, content, capfd):
            image = read_file(io.BytesIO(content), "it")
            assert image.rgb.ndim == 3
            if number == 0:
                eight = image.rgb if image.rgb.dtype == np.uint8 else (image.rgb / 257).round()
                # JPEGs have two decoders, which may round otherwise.
                np.testing.assert_allclose(decode(content), eight, atol=2 * ("JPEG" in kind or kind == "MPO"))
        with sentence(what, content, capfd):
            assert decode(content).dtype == np.uint8
        path.write_bytes(content)
        with sentence(what, content, capfd):
            read_about(path)


def odd(value, rng):
    """What JSON can hold, in the place of one value inside another."""
    strange = [None, True, -1, 10**400, 1e308, float("nan"), "", "x", [], [1], {}, {"x": 1}]
    if isinstance(value, dict | list) and value and rng.random() < 0.9:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = keys[int(rng.integers(len(keys)))]
        if isinstance(value, dict) and rng.random() < 0.1:
            return {other: value[other] for other in value if other != key}
        changed = value.copy()
        changed[key] = odd(value[key], rng)
        return changed
    return strange[int(rng.integers(len(strange)))]


@pytest.mark.parametrize("compression", ["", "gz", "xz", "bz2"])
def test_archives(compression, capfd, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=f"w:{compression}") as tar:
        for number, kind in enumerate(["JPEG", "PNG", "GIF", "TIFF, 12 bits"]):
            member = tarfile.TarInfo(f"own/{('train', 'val')[number % 2]}/a/{number}{'ä' * 60}.{kind[:3]}")
            member.size = len(IMAGES[kind])
            tar.addfile(member, io.BytesIO(IMAGES[kind]))
    for number, content in enumerate([file.getvalue(), *damaged(file.getvalue(), 2, 30)]):
        path = tmp_path / f"{number}.tar"
        path.write_bytes(content)
        with sentence(f"{compression} {number}", content, capfd, allowed="is compressed: uncompressing"):
            dataset = create_dataset(str(path), "train", size=8)
            for index in range(len(dataset)):
                dataset[index]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("resnet", "bytes"),
        ("distribution", "bytes"),
        ("classifier-cifar10", "bytes"),
        ("classifier-cifar10", "header"),
        ("resnet", "header"),
        ("distribution", "header"),
    ],
)
def test_weights(name, what, capfd, tmp_path):
    whole, path = pretrained.path(name).read_bytes(), tmp_path / "damaged.safetensors"
    size = 8 + int.from_bytes(whole[:8], "little")
    rng = np.random.default_rng(3)
    for number in range(30):
        if what == "bytes":
            (start,) = damaged(whole[:size], number, 1)
        else:
            header = json.loads(whole[8:size])
            facts = odd(json.loads(header["__metadata__"]["colorlab"]), rng)
            if number % 3:
                header["__metadata__"]["colorlab"] = json.dumps(facts)
            else:
                header = odd(header, rng)
            text = json.dumps(header).encode()
            start = len(text).to_bytes(8, "little") + text
        path.write_bytes(start + whole[size:])
        with sentence(f"{name}, {what} {number}", start[:3000], capfd):
            (load_classifier if name.startswith("classifier") else load_weights)(path)


@pytest.mark.parametrize("what", ["bytes", "values"])
def test_hints(what, capfd):
    text = hints.to_json([hints.Hint.of(2, 1, 30.5, -4), hints.Hint.of(4, 3, 1, 2)], (18, 14))
    rng = np.random.default_rng(4)
    changed = damaged(text.encode(), 4, 300)
    for number in range(300):
        content = next(changed) if what == "bytes" else json.dumps(odd(json.loads(text), rng)).encode()
        with sentence(f"{number}", content, capfd):
            hints.from_json(content, (18, 14))


def test_checkpoints(capfd, tmp_path):
    path = tmp_path / "last.pt"
    save_state(path, {"epoch": 1, "weights": {"a": torch.arange(20.0)}, "options": {"name": "x"}})
    for number, content in enumerate([path.read_bytes(), *damaged(path.read_bytes(), 5, 150)]):
        path.write_bytes(content)
        with sentence(f"{number}", content, capfd):
            load_state(path)
