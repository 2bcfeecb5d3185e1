"""Reading images: every kind of file, image, array and tensor, and every way in which one can be unusable."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image, ImageCms

from colorlab.image import RAW_SUFFIXES, SUFFIXES, read_image

GENERATOR = np.random.default_rng(7)
RGB = GENERATOR.integers(0, 256, (20, 30, 3), dtype=np.uint8)
GRAY = RGB[..., 0]
OPACITY = RGB[..., 1]
RGB16 = GENERATOR.integers(0, 65536, (20, 30, 3), dtype=np.uint16)
GRAY16 = RGB16[..., 0]


def write_png(path: Path, array: np.ndarray, color_type: int) -> None:
    """A PNG with 16 bits a channel, which Pillow writes for grays only; by the letter of RFC 2083."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    height, width = array.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)
    header = struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    )


def three(gray: np.ndarray) -> np.ndarray:
    return np.repeat(gray[..., None], 3, axis=2)


# ---- files whose pixels are known


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "webp", "ppm", "gif"])
def test_lossless_files_come_back_to_the_bit(tmp_path, suffix):
    path = tmp_path / f"image.{suffix}"
    reference = Image.fromarray(RGB).quantize(200).convert("RGB") if suffix == "gif" else Image.fromarray(RGB)
    reference.save(path, **({"lossless": True} if suffix == "webp" else {}))
    image = read_image(path)
    assert image.rgb.dtype == np.uint8
    assert image.alpha is None
    np.testing.assert_array_equal(image.rgb, np.asarray(reference))
    np.testing.assert_array_equal(read_image(str(path)).rgb, image.rgb)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "YCbCr"])
def test_a_jpeg_has_the_pixels_its_decoder_gives(tmp_path, mode):
    path = tmp_path / "image.jpg"
    Image.fromarray(RGB).convert(mode).save(path, quality=95)
    with Image.open(path) as image:
        np.testing.assert_array_equal(read_image(path).rgb, np.asarray(image.convert("RGB")))


def test_a_gray_image_takes_the_memory_of_one_channel(tmp_path):
    Image.fromarray(GRAY).save(tmp_path / "gray.png")
    image = read_image(tmp_path / "gray.png")
    np.testing.assert_array_equal(image.rgb, three(GRAY))
    assert image.rgb.strides[2] == 0


def test_black_and_white(tmp_path):
    Image.fromarray(GRAY > 127).save(tmp_path / "fax.png")
    np.testing.assert_array_equal(read_image(tmp_path / "fax.png").rgb, three(np.where(GRAY > 127, 255, 0)))


def test_transparency_of_every_kind(tmp_path):
    rgba = np.dstack([RGB, OPACITY])
    Image.fromarray(rgba).save(tmp_path / "rgba.png")
    Image.fromarray(np.dstack([GRAY, OPACITY])).save(tmp_path / "la.png")
    for name, colors in (("rgba", RGB), ("la", three(GRAY))):
        image = read_image(tmp_path / f"{name}.png")
        np.testing.assert_array_equal(image.rgb, colors)
        np.testing.assert_array_equal(image.alpha, OPACITY)

    palette = Image.fromarray(RGB).quantize(16)
    palette.save(tmp_path / "one.png", transparency=3)
    palette.save(tmp_path / "many.png", transparency=bytes(range(0, 256, 16)))
    indices = np.asarray(palette)
    one, many = read_image(tmp_path / "one.png"), read_image(tmp_path / "many.png")
    for image in (one, many):
        np.testing.assert_array_equal(image.rgb, np.asarray(palette.convert("RGB")))
    np.testing.assert_array_equal(one.alpha, np.where(indices == 3, 0, 255))
    np.testing.assert_array_equal(many.alpha, indices * 16)

    # A single color declared transparent, as old web images do it.
    Image.fromarray(RGB).save(tmp_path / "key.png", transparency=tuple(RGB[4, 5].tolist()))
    alpha = read_image(tmp_path / "key.png").alpha
    np.testing.assert_array_equal(alpha, np.where((RGB[4, 5] == RGB).all(axis=2), 0, 255))


def test_an_opaque_alpha_channel_is_none(tmp_path):
    Image.fromarray(RGB).convert("RGBA").save(tmp_path / "opaque.png")
    assert read_image(tmp_path / "opaque.png").alpha is None


@pytest.mark.parametrize("suffix", ["gif", "webp", "tif"])
def test_the_first_frame_counts(tmp_path, suffix):
    path = tmp_path / f"frames.{suffix}"
    first, second = Image.new("RGB", (9, 7), (200, 30, 40)), Image.new("RGB", (9, 7), (10, 20, 250))
    first.save(path, save_all=True, append_images=[second], **({"lossless": True} if suffix == "webp" else {}))
    np.testing.assert_array_equal(read_image(path).rgb, np.asarray(first))


# ---- more than 8 bits


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_gray(tmp_path, suffix):
    path = tmp_path / f"deep.{suffix}"
    Image.fromarray(GRAY16).save(path)
    image = read_image(path)
    assert image.rgb.dtype == np.uint16
    np.testing.assert_array_equal(image.rgb, three(GRAY16))


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"compression": "zlib", "predictor": True}])
@pytest.mark.parametrize("planar", [False, True])
def test_48_bit_tiff_keeps_all_its_bits(tmp_path, byteorder, options, planar):
    # Pillow would keep 8 of the 16, and of planar files without compression it makes noise.
    path = tmp_path / "scan.tif"
    if planar:
        array, options = RGB16.transpose(2, 0, 1), {**options, "planarconfig": "separate"}
    else:
        array = RGB16
    tifffile.imwrite(path, array, photometric="rgb", byteorder=byteorder, **options)
    image = read_image(path)
    assert image.rgb.dtype == np.uint16
    np.testing.assert_array_equal(image.rgb, RGB16)


def test_48_bit_png_keeps_all_its_bits(tmp_path):
    write_png(tmp_path / "rgb.png", RGB16, color_type=2)
    write_png(tmp_path / "rgba.png", np.dstack([RGB16, OPACITY.astype(np.uint16) * 257]), color_type=6)
    for name in ("rgb", "rgba"):
        np.testing.assert_array_equal(read_image(tmp_path / f"{name}.png").rgb, RGB16)
    np.testing.assert_array_equal(read_image(tmp_path / "rgba.png").alpha, OPACITY)


def test_float_tiff(tmp_path):
    values = RGB16.astype(np.float32) / 65535
    tifffile.imwrite(tmp_path / "rgb.tif", values, photometric="rgb")
    tifffile.imwrite(tmp_path / "gray.tif", values[..., 0])
    np.testing.assert_array_equal(read_image(tmp_path / "rgb.tif").rgb, RGB16)
    np.testing.assert_array_equal(read_image(tmp_path / "gray.tif").rgb, three(GRAY16))


@pytest.mark.parametrize("deep", [False, True])
def test_a_tiff_in_which_0_is_white_is_no_negative(tmp_path, deep):
    white = 65535 if deep else 255
    gray = GRAY16 if deep else GRAY
    tifffile.imwrite(tmp_path / "fax.tif", white - gray, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "fax.tif").rgb, three(gray))


# ---- upright, and in sRGB


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, orientation):
    # What the eight values mean, written down by EXIF 2.32 as the places of row 0 and column 0.
    row_0, column_0 = [
        ("top", "left"), ("top", "right"), ("bottom", "right"), ("bottom", "left"),
        ("left", "top"), ("right", "top"), ("right", "bottom"), ("left", "bottom"),
    ][orientation - 1]  # fmt: skip
    expected = RGB16 if row_0 in ("top", "bottom") else RGB16.swapaxes(0, 1)
    if "bottom" in (row_0, column_0):
        expected = expected[::-1]
    if "right" in (row_0, column_0):
        expected = expected[:, ::-1]

    exif = Image.Exif()
    exif[274] = orientation
    tag = [(274, "H", 1, orientation, True)]
    eight_bits = (RGB16 >> 8).astype(np.uint8)
    Image.fromarray(eight_bits).save(tmp_path / "image.png", exif=exif)
    Image.fromarray(eight_bits).save(tmp_path / "image.jpg", exif=exif, quality=98, subsampling=0)
    tifffile.imwrite(tmp_path / "deep.tif", RGB16, photometric="rgb", extratags=tag)
    planes = RGB16.transpose(2, 0, 1)
    tifffile.imwrite(tmp_path / "planes.tif", planes, photometric="rgb", planarconfig="separate", extratags=tag)
    tifffile.imwrite(tmp_path / "float.tif", RGB16 / np.float32(65535), photometric="rgb", extratags=tag)

    np.testing.assert_array_equal(read_image(tmp_path / "image.png").rgb, expected >> 8)
    for name in ("deep", "planes", "float"):
        np.testing.assert_array_equal(read_image(tmp_path / f"{name}.tif").rgb, expected)
    jpeg = read_image(tmp_path / "image.jpg").rgb
    assert jpeg.shape == expected.shape
    assert np.abs(jpeg - (expected >> 8).astype(float)).mean() < 5


def wide_gamut_profile() -> bytes:
    """A profile in which red and green have changed places, so that nobody can overlook whether it was used."""
    srgb = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack(">I", srgb[128:132])[0]
    entries = {bytes(srgb[132 + 12 * i : 136 + 12 * i]): 132 + 12 * i for i in range(count)}
    red, green = entries[b"rXYZ"] + 4, entries[b"gXYZ"] + 4
    srgb[red : red + 8], srgb[green : green + 8] = srgb[green : green + 8], srgb[red : red + 8]
    # Not called sRGB any more, in either kind of text.
    for name in (b"sRGB", "sRGB".encode("utf-16-be")):
        for at in [i for i in range(132 + 12 * count, len(srgb)) if srgb[i:].startswith(name)]:
            srgb[at : at + len(name)] = b"x" * len(name) if name == b"sRGB" else "xxxx".encode("utf-16-be")
    return bytes(srgb)


@pytest.mark.parametrize("kind", ["RGB", "RGBA", "P", "deep"])
def test_an_embedded_profile_is_converted_to_srgb(tmp_path, kind):
    # RGBA with a profile is what a screenshot on a Mac is.
    path = tmp_path / "image.png"
    profile = wide_gamut_profile()
    colors = Image.fromarray(RGB)
    if kind == "RGBA":
        colors.putalpha(Image.fromarray(OPACITY))
    elif kind == "P":
        colors = colors.quantize(64)
    if kind == "deep":
        path = tmp_path / "image.tif"
        tifffile.imwrite(path, RGB.astype(np.uint16) * 257, photometric="rgb", iccprofile=profile)
    else:
        colors.save(path, icc_profile=profile)
    image = read_image(path)
    swapped = np.asarray(colors.convert("RGB"))[..., [1, 0, 2]]
    found = image.rgb / 257 if kind == "deep" else image.rgb
    assert np.abs(found - swapped.astype(int)).max() <= 2
    if kind == "RGBA":
        np.testing.assert_array_equal(image.alpha, OPACITY)


def test_the_srgb_profile_and_a_damaged_one_change_nothing(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"no profile at all", srgb[:200]):
        Image.fromarray(RGB).save(tmp_path / "image.png", icc_profile=profile)
        np.testing.assert_array_equal(read_image(tmp_path / "image.png").rgb, RGB)


def test_a_color_profile_in_a_gray_image_is_passed_over(tmp_path):
    Image.fromarray(GRAY).save(tmp_path / "gray.jpg", icc_profile=wide_gamut_profile(), quality=95)
    with Image.open(tmp_path / "gray.jpg") as image:
        np.testing.assert_array_equal(read_image(tmp_path / "gray.jpg").rgb, three(np.asarray(image)))


# ---- images, arrays and tensors


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"]
)
def test_every_mode_of_pillow(mode):
    gray = Image.fromarray(GRAY)
    image = gray.convert("LA").convert("La") if mode == "La" else Image.fromarray(RGB)
    image = {
        "PA": lambda: image.convert("P").convert("PA"),
        "RGBa": lambda: image.convert("RGBA").convert("RGBa"),
        "La": lambda: image,
    }.get(mode, lambda: image.convert(mode))()
    expected = image.convert("LA").convert("RGB") if mode == "La" else image.convert("RGB")
    np.testing.assert_array_equal(read_image(image).rgb, np.asarray(expected))


def test_deep_modes_of_pillow():
    np.testing.assert_array_equal(read_image(Image.fromarray(GRAY16)).rgb, three(GRAY16))
    np.testing.assert_array_equal(read_image(Image.fromarray(GRAY16.astype(np.int32))).rgb, three(GRAY16))
    floats = Image.fromarray(GRAY16 / np.float32(65535))
    np.testing.assert_array_equal(read_image(floats).rgb, three(GRAY16))


@settings(max_examples=60)
@given(
    st.one_of(
        npst.arrays(dtype, st.one_of(npst.array_shapes(min_dims=2, max_dims=2, max_side=6), st.tuples(st.integers(1, 6), st.integers(1, 6), st.sampled_from([1, 3, 4]))))
        for dtype in (np.uint8, np.dtype("<u2"), np.dtype(">u2"), np.bool_)
    )
)  # fmt: skip
def test_arrays_and_tensors_hold_what_they_held(array):
    channels = array[..., None] if array.ndim == 2 else array
    scaled = channels.astype(np.uint8) * 255 if array.dtype == np.bool_ else channels
    image = read_image(array)
    np.testing.assert_array_equal(image.rgb, np.broadcast_to(scaled[..., :3], (*scaled.shape[:2], 3)))
    assert (image.alpha is None) == (channels.shape[2] < 4)

    native = array.astype(array.dtype.newbyteorder("="))
    tensor = torch.from_numpy(native if array.ndim == 2 else np.ascontiguousarray(native.transpose(2, 0, 1)))
    from_tensor = read_image(tensor)
    np.testing.assert_array_equal(from_tensor.rgb, image.rgb)
    if image.alpha is not None:
        np.testing.assert_array_equal(from_tensor.alpha, image.alpha)


@settings(max_examples=60)
@given(npst.arrays(np.float32, (3, 4, 3), elements=st.floats(0, 1, width=32)))
def test_floats_are_kept_to_16_bits(values):
    for dtype, error in ((np.float64, 0.51), (np.float32, 0.51), (np.float16, 17)):
        assert np.abs(read_image(values.astype(dtype)).rgb - values * 65535.0).max() <= error
    # bfloat16, which NumPy lacks, has 8 significant bits; a tensor may come straight out of a network.
    tensor = torch.from_numpy(values.transpose(2, 0, 1).copy()).to(torch.bfloat16).requires_grad_()
    assert np.abs(read_image(tensor).rgb - values * 65535.0).max() <= 65535 / 2**9 + 1


def test_strips_are_what_the_color_conversion_takes():
    for array, dtype, scale in ((RGB, torch.uint8, 1), (RGB16, torch.float32, 65535)):
        strip = read_image(array).strip(slice(3, 8))
        assert strip.dtype == dtype
        assert strip.is_contiguous()
        np.testing.assert_allclose(strip.numpy() * scale, array[3:8].transpose(2, 0, 1), rtol=1e-6)


def test_a_strip_can_be_written_to_whatever_its_image_allows():
    # One row or one column is contiguous in any order of axes, and Pillow's pixels are read-only.
    for size in ((1, 1), (1, 5), (5, 1), (4, 5)):
        strip = read_image(Image.new("RGB", size)).strip(slice(0, 1))
        strip += 1
    frozen = np.zeros((1, 4, 3), np.uint8)
    frozen.flags.writeable = False
    read_image(frozen).strip(slice(0, 1)).add_(1)
    assert frozen.max() == 0


def test_views_are_taken_as_they_look():
    np.testing.assert_array_equal(read_image(RGB[::-1, ::2, ::-1]).rgb, RGB[::-1, ::2, ::-1])


# ---- what cannot be read


def one_sentence_about(path: Path) -> str:
    with pytest.raises(ValueError, match=r".") as caught:
        read_image(path)
    sentence = str(caught.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    return sentence


def test_unreadable_files_are_named(tmp_path):
    def file(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    Image.fromarray(RGB).save(tmp_path / "whole.jpg")
    whole = (tmp_path / "whole.jpg").read_bytes()
    assert "does not exist" in one_sentence_about(tmp_path / "missing.jpg")
    assert "is a folder" in one_sentence_about(tmp_path)
    assert "0 bytes" in one_sentence_about(file("empty.jpg", b""))
    assert "not an image" in one_sentence_about(file("letter.jpg", b"Dear reader"))
    assert "not an image" in one_sentence_about(file("letter.tif", b"Dear reader"))
    assert "damaged" in one_sentence_about(file("cut.jpg", whole[: len(whole) // 2]))
    assert "cannot be opened" in one_sentence_about(tmp_path / ("long" * 100))


def test_files_of_impossible_values_are_named(tmp_path):
    tifffile.imwrite(tmp_path / "kelvin.tif", np.full((4, 4), 293, np.float32))
    assert "293" in one_sentence_about(tmp_path / "kelvin.tif")
    tifffile.imwrite(tmp_path / "counts.tif", np.full((4, 4), 10**6, np.int32))
    assert "1000000" in one_sentence_about(tmp_path / "counts.tif")
    # Four float channels that are inks, not red, green, blue and opacity.
    tifffile.imwrite(tmp_path / "inks.tif", np.full((4, 4, 4), 0.5, np.float32), photometric="separated")
    assert "SEPARATED" in one_sentence_about(tmp_path / "inks.tif")


def test_a_image_as_large_as_a_country_is_refused(tmp_path):
    path = tmp_path / "bomb.png"
    write_png(path, RGB16, color_type=2)
    content = bytearray(path.read_bytes())
    content[16:24] = struct.pack(">II", 60000, 60000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    path.write_bytes(content)
    assert "too large" in one_sentence_about(path)


@pytest.mark.parametrize(
    "kind", ["jpg", "png", "deep.png", "gif", "webp", "avif", "tif", "deep.tif", "float.tif", "ppm"]
)
def test_damaged_files_give_a_image_or_one_sentence(tmp_path, kind):
    path = tmp_path / f"image.{kind}"
    if kind == "deep.png":
        write_png(path, RGB16, color_type=2)
    elif kind == "deep.tif":
        tifffile.imwrite(path, RGB16, photometric="rgb", compression="zlib")
    elif kind == "float.tif":
        tifffile.imwrite(path, RGB16 / np.float32(65535), photometric="rgb", compression="zlib")
    else:
        Image.fromarray(RGB).save(path)
    whole = path.read_bytes()

    @settings(max_examples=30, suppress_health_check=[HealthCheck.differing_executors])
    @given(
        length=st.one_of(st.just(len(whole)), st.integers(1, len(whole))),
        changes=st.dictionaries(st.integers(0, min(len(whole), 400) - 1), st.integers(0, 255), max_size=4),
    )
    def damaged(length, changes):
        content = bytearray(whole)
        for place, value in changes.items():
            content[place] = value
        path.write_bytes(content[:length])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            try:
                shape, sentence = read_image(path).rgb.shape, ""
            except ValueError as error:
                shape, sentence = (), str(error)
        assert len(shape) == 3 or str(path) in sentence

    damaged()


@pytest.mark.parametrize(
    ("what", "named"),
    [
        (np.zeros(5, np.uint8), "(5,)"),
        (np.zeros((4, 5, 2), np.uint8), "(4, 5, 2)"),
        (np.zeros((3, 4, 5), np.uint8), "last in an array"),
        (np.zeros((1, 3, 4, 5), np.uint8), "(1, 3, 4, 5)"),
        (np.zeros((0, 5, 3), np.uint8), "(0, 5, 3)"),
        (torch.zeros(5, 6, 3), "first in a tensor"),
        (torch.zeros(2, 3, 4, 5), "(2, 3, 4, 5)"),
        (np.zeros((4, 5, 3), np.int64), "int64"),
        (np.zeros((4, 5, 3), complex), "complex128"),
        (np.full((4, 5), 2.0), "from 2 to 2"),
        (np.array([[0.5, np.nan]]), "nan"),
        (np.array([[0.5, np.inf]]), "inf"),
        (torch.full((3, 2, 2), -0.5), "-0.5"),
        (Image.fromarray(np.full((2, 2), -1, np.int32)), "-1"),
        (Image.new("RGB", (0, 5)), "0×5"),
    ],
)
def test_what_is_no_image_is_told_why(what, named):
    with pytest.raises(ValueError, match=r".") as caught:
        read_image(what)
    assert named in str(caught.value)


@pytest.mark.parametrize("what", [None, 5, [[0, 1]]])
def test_wrong_types(what):
    with pytest.raises(TypeError, match=type(what).__name__):
        read_image(what)


def test_suffixes_are_those_that_pillow_and_the_extra_read():
    readable = {ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    assert readable >= SUFFIXES - RAW_SUFFIXES - {".heic", ".heif", ".hif", ".mpo"}
