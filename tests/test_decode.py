"""Decoding files' bytes: the same pixels as `read_image`, whatever the kind, and never more than a ValueError."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings

import numpy as np
import pytest
import skimage
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from colorlab.data.decode import decode
from colorlab.image import read_image

ASTRONAUT = skimage.data.astronaut()[:304:2, :400:2]  # 152 × 200, with edges and flat places
NOISE = np.random.default_rng(7).integers(0, 256, (21, 34, 3), dtype=np.uint8)


def file_of(image, kind="JPEG", **options):
    file = io.BytesIO()
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(file, kind, **options)
    return file.getvalue()


def oriented(value):
    exif = Image.Exif()
    exif[274] = value
    return exif


def as_read(tmp_path, content):
    path = tmp_path / "image.tif"  # which ending does not matter, but this one allows every reader
    path.write_bytes(content)
    rgb = read_image(path).rgb
    return rgb if rgb.dtype == np.uint8 else (rgb / 257).round().astype(np.uint8)


def srgb_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def other_profile():
    # Whatever is not called sRGB has to be converted.
    return srgb_profile().replace(b"sRGB", b"xxxx").replace("sRGB".encode("utf-16-be"), "xxxx".encode("utf-16-be"))


JPEGS = {
    "color": lambda: file_of(ASTRONAUT, quality=90),
    "noise": lambda: file_of(NOISE, quality=98, subsampling=0),
    "progressive": lambda: file_of(ASTRONAUT, progressive=True),
    "4:2:2": lambda: file_of(ASTRONAUT, subsampling=1),
    "gray": lambda: file_of(Image.fromarray(ASTRONAUT).convert("L")),
    "RGB inside": lambda: file_of(ASTRONAUT, keep_rgb=True),
    "CMYK": lambda: file_of(Image.fromarray(ASTRONAUT).convert("CMYK")),
    "sRGB profile": lambda: file_of(ASTRONAUT, icc_profile=srgb_profile()),
    "damaged profile": lambda: file_of(ASTRONAUT, icc_profile=b"none"),
    "other profile": lambda: file_of(ASTRONAUT, icc_profile=other_profile()),
    "damaged EXIF": lambda: file_of(ASTRONAUT, exif=b"Exif\0\0nonsense"),
    "one pixel": lambda: file_of(NOISE[:1, :1]),
    "one pixel wide": lambda: file_of(NOISE[:, :1]),
    "two frames": lambda: file_of(ASTRONAUT, "MPO", save_all=True, append_images=[Image.fromarray(NOISE)]),
    **{f"orientation {value}": lambda value=value: file_of(ASTRONAUT, exif=oriented(value)) for value in range(10)},
}


@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_has_the_pixels_that_read_image_gives(tmp_path, kind):
    content = JPEGS[kind]()
    rgb = decode(content)
    expected = as_read(tmp_path, content)
    assert rgb.shape == expected.shape
    # Both decoders are libjpeg-turbo, of versions that may differ, and rounding is left to them.
    assert np.abs(rgb.astype(int) - expected).max() <= 2
    assert rgb.dtype == np.uint8
    assert rgb.flags.writeable
    assert rgb.flags.c_contiguous


def png16(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


OTHERS = {
    "png": lambda: file_of(NOISE, "PNG"),
    "transparent": lambda: file_of(np.dstack([NOISE, NOISE[..., :1]]), "PNG"),
    "palette": lambda: file_of(Image.fromarray(NOISE).quantize(16), "PNG", transparency=3),
    "black and white": lambda: file_of(Image.fromarray(NOISE[..., 0] > 99), "PNG"),
    "16 bits": lambda: png16(NOISE[..., 0].astype(np.uint16) * 251),
    "turned png": lambda: file_of(NOISE, "PNG", exif=oriented(6)),
    "gif": lambda: file_of(Image.fromarray(NOISE).quantize(200), "GIF"),
    "webp": lambda: file_of(NOISE, "WEBP", lossless=True),
    "bmp": lambda: file_of(NOISE, "BMP"),
    "tiff": lambda: file_of(NOISE, "TIFF"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_every_other_kind_comes_as_read_image_gives_it(tmp_path, kind):
    content = OTHERS[kind]()
    rgb = decode(content)
    np.testing.assert_array_equal(rgb, as_read(tmp_path, content))
    assert (rgb.dtype, rgb.flags.writeable) == (np.uint8, True)


@pytest.mark.parametrize("planar", [False, True])
def test_a_scanners_tiff_which_pillow_misreads(planar):
    deep = NOISE.astype(np.uint16) * 257
    file = io.BytesIO()
    options = {"planarconfig": "separate"} if planar else {}
    tifffile.imwrite(file, deep.transpose(2, 0, 1) if planar else deep, photometric="rgb", **options)
    np.testing.assert_array_equal(decode(file.getvalue()), NOISE)


# ---- reduced


@pytest.mark.parametrize("kind", ["color", "gray", "CMYK", "other profile", "orientation 6", "two frames"])
@pytest.mark.parametrize("smallest", [1, 19, 20, 38, 39, 76, 77, 152, 1000])
def test_a_jpeg_comes_reduced_but_not_below_what_is_asked(kind, smallest):
    content = JPEGS[kind]()
    whole, rgb = decode(content), decode(content, smallest)
    assert min(rgb.shape[:2]) >= min(smallest, *whole.shape[:2])
    if smallest > 76:
        np.testing.assert_array_equal(rgb, whole)
    else:
        assert 2 * max(rgb.shape) <= max(whole.shape)
    # The same image seen from afar: to reduce it is to average over squares.
    averages = np.asarray(Image.fromarray(whole).resize(rgb.shape[1::-1], Image.Resampling.BOX), dtype=int)
    assert np.abs(averages - rgb).mean() < 6


def test_what_is_no_jpeg_comes_whole():
    np.testing.assert_array_equal(decode(file_of(ASTRONAUT, "PNG"), 10), ASTRONAUT)


# ---- what cannot be read


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "0 bytes"),
        (b"Dear reader", "no known kind"),
        (b"II, or Elizabeth the Second", "no known kind"),
        (file_of(ASTRONAUT)[:2000], "truncated"),
        (file_of(ASTRONAUT, "PNG")[:2000], "truncated"),
        (file_of(ASTRONAUT)[:2], "no known kind"),
    ],
)
def test_unreadable_contents_are_one_sentence(content, named):
    with pytest.raises(ValueError, match=named) as caught:
        decode(content)
    assert "\n" not in str(caught.value)


def test_a_jpeg_as_large_as_a_country_is_refused():
    content = bytearray(file_of(NOISE))
    size = content.index(b"\xff\xc0") + 5
    content[size : size + 4] = b"\xea\x60\xea\x60"  # 60,000 x 60,000
    with pytest.raises(ValueError, match="too large"):
        decode(bytes(content))


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(["noise", "gray", "CMYK", "orientation 6", "one pixel wide"]),
    share=st.one_of(st.just(1.0), st.floats(0, 1)),
    changes=st.dictionaries(st.integers(0, 900), st.integers(0, 255), max_size=4),
)
def test_a_damaged_jpeg_gives_what_pillow_gives_or_one_sentence(kind, share, changes):
    content = bytearray(JPEGS[kind]())
    for place, value in changes.items():
        content[place % len(content)] = value
    content = bytes(content[: round(share * len(content))])
    try:
        rgb = decode(content)
    except ValueError:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata, and reads on
        with Image.open(io.BytesIO(content)) as image:
            expected = read_image(image).rgb
    np.testing.assert_allclose(rgb, expected, atol=2)


HAIL = """
import io, random
import numpy as np
from PIL import Image
from colorlab.data.decode import decode
random.seed(0)
noise = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
wholes = []
for mode, options in [("RGB", {}), ("L", {}), ("RGB", {"progressive": True}), ("RGB", {"restart_marker_rows": 1})]:
    file = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(file, "JPEG", **options)
    wholes.append(file.getvalue())
read = refused = 0
for _ in range(400):
    content = bytearray(random.choice(wholes))
    for _ in range(random.randrange(1, 6)):
        content[random.randrange(len(content))] = random.choice([0, 255, 0xC0, 0xC4, 0xDA, 0xDB, random.randrange(256)])
    try:
        decode(bytes(content[: random.choice([len(content), random.randrange(len(content))])]), random.choice([None, 9]))
        read += 1
    except ValueError:
        refused += 1
print(read, refused)
"""


@pytest.mark.slow
def test_damaged_jpegs_do_not_end_the_process():
    # In a process of its own: a fault in a decoder's C code would take the whole test run with it.
    run = subprocess.run([sys.executable, "-c", HAIL], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    read, refused = map(int, run.stdout.split())
    assert read > 50 < refused
