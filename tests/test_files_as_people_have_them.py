"""Images as scanners, cameras and other programs write them: the colors that a file means are the ones read."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from colorlab.data.decode import decode
from colorlab.image import read_file, read_image
from colorlab.inference import full_lightness

RAMP = np.linspace(0.05, 0.95, 24).reshape(4, 6)  # gray values, none twice
TALL = np.rot90(RAMP, -1)


def srgb_light(v):
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def lightness(light):
    return np.where(light > (6 / 29) ** 3, 116 * np.cbrt(light) - 16, light * (29 / 3) ** 3)


def read(content):
    """As both ways read it, which must agree."""
    image = read_file(io.BytesIO(content), "it")
    eight = image.rgb if image.rgb.dtype == np.uint8 else (image.rgb / 257).round()
    np.testing.assert_array_equal(decode(content), eight)
    return image


def assert_lightness(content, expected, within=0.5):
    found = full_lightness(read(content)).numpy()
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < within


# ---- what writes such files


def packed(values, bits):
    """Rows of values of so many bits, each row filled up to whole bytes."""
    lines = (values[..., None] >> np.arange(bits)[::-1]) & 1
    return np.packbits(lines.reshape(len(values), -1).astype(np.uint8), axis=1).tobytes()


def tiff_of(data, size, bits, *, order="<", extra=(), photometric=1, compression=1):
    """A TIFF of one strip; extra: further tags (number, type, value), two-byte values or bytes."""
    samples = len(bits)
    tags = [(256, 3, size[0]), (257, 3, size[1]), (258, 3, bits), (259, 3, compression), (262, 3, photometric)]
    tags += [(273, 4, None), (277, 3, samples), (278, 3, size[1]), (279, 4, len(data)), *extra]
    tags.sort()
    place, body, rows = 8 + 2 + 12 * len(tags) + 4, b"", []
    for number, kind, value in tags:
        if isinstance(value, bytes):
            count, raw = len(value), value
        else:
            many = [0] if value is None else np.atleast_1d(value).tolist()
            count, raw = len(many), struct.pack(f"{order}{len(many)}{'H' if kind == 3 else 'i'}", *many)
        if len(raw) > 4:
            raw, body = struct.pack(f"{order}I", place + len(body)), body + raw + bytes(len(raw) % 2)
        rows.append(struct.pack(f"{order}HHI", number, kind, count) + raw.ljust(4, b"\0"))
    strip = struct.pack(f"{order}HHI", 273, 4, 1)
    rows = [strip + struct.pack(f"{order}I", place + len(body)) if row.startswith(strip) else row for row in rows]
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}IH", 8, len(rows))
    return head + b"".join(rows) + bytes(4) + body + data


def profile_of(curve, *, name=b"x", primaries=False):
    """An ICC profile of gray, or of RGB with sRGB's primaries, whose curve is a table or an exponent."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    entries = [struct.unpack_from(">4sII", srgb, 132 + 12 * i) for i in range(struct.unpack_from(">I", srgb, 128)[0])]
    tags = {tag: srgb[start : start + size] for tag, start, size in entries}
    table = (np.linspace(0, 1, 2048) ** curve if isinstance(curve, float) else curve(np.linspace(0, 1, 2048))) * 65535
    trc = b"curv" + bytes(4) + struct.pack(">I", 2048) + table.round().astype(">u2").tobytes()
    keep = [b"wtpt", b"rXYZ", b"gXYZ", b"bXYZ"] if primaries else [b"wtpt"]
    found = {tag: tags[tag] for tag in keep}
    found |= dict.fromkeys([b"rTRC", b"gTRC", b"bTRC"] if primaries else [b"kTRC"], trc)
    found[b"desc"] = b"desc" + bytes(4) + struct.pack(">I", len(name) + 1) + name + bytes(79)
    listed, body, start = b"", b"", 132 + 12 * len(found)
    for tag, data in found.items():
        listed += tag + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = bytearray(srgb[:128])
    header[:4], header[8:12] = struct.pack(">I", start + len(body)), bytes([2, 0x40, 0, 0])
    header[16:20] = b"RGB " if primaries else b"GRAY"
    return bytes(header) + struct.pack(">I", len(found)) + listed + body


def png_of(array, *before):
    """A PNG of 8 or 16 bits, gray or RGB or with opacity, with chunks (name, data) before the pixels."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    bits = 8 * array.dtype.itemsize
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[1 if array.ndim == 2 else array.shape[2]]
    head = struct.pack(">IIBBBBB", *array.shape[1::-1], bits, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for row in array)
    parts = [(b"IHDR", head), *before, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def whole(values, bits):
    return (values * (2**bits - 1)).round().astype(np.uint8 if bits <= 8 else np.uint16)


# ---- turned


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", ["gray", "color", "palette", "deep", "bits"])
def test_a_raw_tiff_turned_by_90_degrees(order, kind):
    stored = whole(RAMP, 8)
    turned = [(274, 3, 6)]
    expected = np.rot90(stored, -1)
    if kind == "color":
        content = tiff_of(
            np.dstack(3 * [stored]).tobytes(), (6, 4), (8, 8, 8), order=order, extra=turned, photometric=2
        )
    elif kind == "palette":
        colors = np.tile(np.arange(256) * 257, 3).astype(np.uint16)
        content = tiff_of(
            stored.tobytes(), (6, 4), (8,), order=order, extra=[*turned, (320, 3, colors)], photometric=3
        )
    elif kind == "deep":
        data = stored.astype(f"{order}u2") * 257
        content = tiff_of(data.astype(f"{order}u2").tobytes(), (6, 4), (16,), order=order, extra=turned)
    elif kind == "bits":
        content = tiff_of(packed(stored > 127, 1), (6, 4), (1,), order=order, extra=turned)
        expected = np.where(expected > 127, 255, 0)
    else:
        content = tiff_of(stored.tobytes(), (6, 4), (8,), order=order, extra=turned)
    rgb = read(content).rgb
    assert rgb.shape == (6, 4, 3)
    np.testing.assert_array_equal(np.round(rgb / (257 if rgb.dtype == np.uint16 else 1)), np.dstack(3 * [expected]))


# ---- deep grays and colors with a profile


def dot_gain(v):
    ink = 1 - v
    return 1 - (ink + 0.8 * ink * (1 - ink)).clip(0, 1)


@pytest.mark.parametrize("curve", [dot_gain, 1.0, 1.8])
@pytest.mark.parametrize("kind", ["tif", "lzw", "png", "8 bits"])
def test_the_profile_of_a_deep_gray_is_heeded(curve, kind):
    values, profile = whole(RAMP, 16), profile_of(curve)
    file = io.BytesIO()
    if kind == "png":
        file.write(png_of(values, (b"iCCP", b"x\0\0" + zlib.compress(profile))))
    elif kind == "lzw":
        Image.fromarray(values).save(file, "TIFF", compression="tiff_lzw", icc_profile=profile)
    elif kind == "8 bits":
        values = whole(RAMP, 8)
        Image.fromarray(values).save(file, "PNG", icc_profile=profile)
    else:
        tifffile.imwrite(file, values, iccprofile=profile)
    shares = values / np.iinfo(values.dtype).max
    light = shares**curve if isinstance(curve, float) else curve(shares)
    assert_lightness(file.getvalue(), lightness(light))


@pytest.mark.parametrize("kind", ["L", "LA"])
def test_the_profile_of_dark_grays(kind):
    file, ramp = io.BytesIO(), np.arange(256, dtype=np.uint8)[None]
    Image.fromarray(ramp).convert(kind).save(file, "PNG", icc_profile=profile_of(1.0))
    assert_lightness(file.getvalue(), lightness(ramp / 255))


@pytest.mark.parametrize("chunk", [(b"gAMA", struct.pack(">I", 100_000)), (b"iCCP", b"x\0\0" + zlib.compress(profile_of(1.0)))])  # fmt: skip
def test_deep_grays_with_opacity_keep_all_their_bits(chunk):
    values, alpha = whole(RAMP / 20, 16), whole(RAMP, 16)
    content = png_of(np.dstack([values, alpha]), chunk)
    assert_lightness(content, lightness(values / 65535), within=0.1)
    np.testing.assert_array_equal(read(content).alpha, (alpha / 257).round())


@pytest.mark.parametrize("kind", ["tif", "png"])
def test_the_profile_of_deep_colors_is_heeded_in_all_their_bits(kind):
    values = np.dstack([whole(RAMP, 16), whole(RAMP[::-1], 16), whole(RAMP[:, ::-1], 16)])
    profile = profile_of(1.0, primaries=True, name=b"sRGB, linear")
    if kind == "png":
        content = png_of(values, (b"iCCP", b"x\0\0" + zlib.compress(profile)))
    else:
        file = io.BytesIO()
        tifffile.imwrite(file, values, photometric="rgb", iccprofile=profile)
        content = file.getvalue()
    image = read(content)
    assert image.rgb.dtype == np.uint16
    assert len(np.unique(image.rgb % 257)) > 20
    assert_lightness(content, lightness(values / 65535 @ [0.2126, 0.7152, 0.0722]), within=0.1)


@pytest.mark.parametrize("save", [{"format": "PNG"}, {"format": "TIFF"}, {"format": "WEBP", "lossless": True}])
def test_a_profile_is_not_judged_by_its_name(save):
    values = np.dstack([whole(RAMP, 8), whole(RAMP[::-1], 8), whole(RAMP[:, ::-1], 8)])
    file = io.BytesIO()
    Image.fromarray(values).save(file, icc_profile=profile_of(1.0, primaries=True, name=b"sRGB IEC61966-2.1"), **save)
    assert_lightness(file.getvalue(), lightness(values / 255 @ [0.2126, 0.7152, 0.0722]))


def test_a_jpeg_whose_profile_only_claims_to_be_srgb():
    file = io.BytesIO()
    profile = profile_of(1.0, primaries=True, name=b"sRGB")
    Image.new("RGB", (32, 32), (60, 60, 60)).save(file, "JPEG", quality=95, icc_profile=profile)
    assert_lightness(file.getvalue(), np.full((32, 32), lightness(60 / 255)))


# ---- 9 to 15 bits


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 15, 6])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [1, 8])
def test_other_numbers_of_bits(bits, order, compression):
    values = (RAMP * (2**bits - 1)).round().astype(np.int64)
    data = packed(values, bits)
    data = zlib.compress(data) if compression == 8 else data
    assert_lightness(
        tiff_of(data, (6, 4), (bits,), order=order, compression=compression),
        lightness(srgb_light(values / (2**bits - 1))),
        within=0.3,
    )


def test_twelve_bits_of_color_and_of_a_negative():
    values = (RAMP * 4095).round().astype(np.int64)
    color = np.dstack([values, values, values]).reshape(4, 18)
    expected = lightness(srgb_light(values / 4095))
    assert_lightness(tiff_of(packed(color, 12), (6, 4), (12, 12, 12), photometric=2), expected)
    assert_lightness(tiff_of(packed(4095 - values, 12), (6, 4), (12,), photometric=0), expected)
    assert_lightness(tiff_of(packed(values, 12), (6, 4), (12,), extra=[(274, 3, 6)]), np.rot90(expected, -1))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (tiff_of(bytes(70), (7, 5), (5, 6, 5), photometric=2), r"it has \(5, 6, 5\) bits a channel"),
        (tiff_of(bytes(24), (6, 4), (8,), extra=[(339, 3, 2)]), "int8"),
        (b"\x89PNG\r\n\x1a\n" + bytes(9), "begins like PNG, but is damaged or truncated"),
    ],
)
def test_what_is_not_read_is_called_by_its_name(content, said):
    for way in (decode, lambda content: read_file(io.BytesIO(content), "it")):
        with pytest.raises(ValueError, match=said):
            way(content)


def test_a_compression_that_needs_an_extra_is_named(monkeypatch):
    monkeypatch.setattr(tifffile.TIFF, "DECOMPRESSORS", {})
    with pytest.raises(ValueError, match=r"its compression, LZW, needs imagecodecs: pip install 'colorlab\[files\]'"):
        read(tiff_of(bytes(96), (6, 4), (32,), extra=[(339, 3, 3)], compression=5))


@pytest.mark.parametrize("bits", [8, 16])
def test_opacity_in_a_plane_of_its_own(bits):
    alpha = whole(RAMP[::-1], bits)
    color = (np.stack(3 * [whole(RAMP, bits)]) * (alpha / (2**bits - 1))).round().astype(alpha.dtype)
    file = io.BytesIO()
    planes = np.concatenate([color, alpha[None]])
    tifffile.imwrite(file, planes, photometric="rgb", planarconfig="separate", extrasamples=["assocalpha"])
    image = read(file.getvalue())
    assert np.abs(image.alpha - RAMP[::-1] * 255).max() < 1
    assert np.abs(image.rgb[..., 0] / (2**bits - 1) - RAMP).max() < 0.06


# ---- which image


def thumbnail_and_photo(where):
    file = io.BytesIO()
    small, large = (
        np.full((30, 40, 3), 9, np.uint8),
        np.dstack(3 * [np.arange(80 * 60, dtype=np.uint8).reshape(60, 80)]),
    )
    with tifffile.TiffWriter(file) as out:
        if where == "SubIFD":
            out.write(small, photometric="rgb", subfiletype=1, subifds=1)
            out.write(large, photometric="rgb")
        else:
            out.write(small, photometric="rgb", subfiletype=1 if where == "marked" else 0)
            out.write(large, photometric="rgb", compression="zlib")
    return file.getvalue(), large


@pytest.mark.parametrize("where", ["SubIFD", "marked", "unmarked"])
def test_the_photo_is_taken_not_its_thumbnail(where):
    content, photo = thumbnail_and_photo(where)
    np.testing.assert_array_equal(read(content).rgb, photo)


@pytest.mark.parametrize("bigtiff", [False, True])
def test_a_later_page_that_pillow_has_to_read(bigtiff):
    photo = np.dstack(3 * [np.arange(80 * 60, dtype=np.uint8).reshape(60, 80)])
    file = io.BytesIO()
    first = Image.new("RGB", (40, 30))
    first.save(
        file, "TIFF", compression="tiff_lzw", save_all=True, append_images=[Image.fromarray(photo)], big_tiff=bigtiff
    )
    np.testing.assert_array_equal(read(file.getvalue()).rgb, photo)


def test_the_largest_page_counts_but_of_equal_ones_the_first():
    file = io.BytesIO()
    pages = [Image.new("L", (9, 7), gray) for gray in (50, 90)]
    pages[0].save(file, "TIFF", save_all=True, append_images=pages[1:])
    assert read(file.getvalue()).rgb.max() == 50


# ---- what needs the extra `files`


@pytest.mark.parametrize("bits", [9, 12, 15])
@pytest.mark.parametrize("order", "<>")
def test_other_numbers_of_bits_in_another_compression(bits, order, monkeypatch):
    imagecodecs = pytest.importorskip("imagecodecs")
    values = (RAMP * (2**bits - 1)).round().astype(np.int64)
    content = tiff_of(imagecodecs.lzw_encode(packed(values, bits)), (6, 4), (bits,), order=order, compression=5)
    assert_lightness(content, lightness(srgb_light(values / (2**bits - 1))), within=0.3)
    monkeypatch.setattr(tifffile.TIFF, "DECOMPRESSORS", {})
    with pytest.raises(ValueError, match=rf"{bits} bits .* only imagecodecs reads: pip install 'colorlab\[files\]'"):
        read(content)


def synthetic_dng(orientation=1, thumbnail=True):
    """What a camera writes, but made up here: a mosaic of one ramp, each row of sensors the same, and a thumbnail."""
    mosaic = np.linspace(1000, 60000, 96, dtype=np.uint16)[None].repeat(64, axis=0)
    pattern = [(33421, "H", 2, (2, 2), True), (33422, "B", 4, (0, 1, 1, 2), True)]
    matrix = [value for i in range(9) for value in (int(i % 4 == 0), 1)]
    camera = [
        (50706, "B", 4, (1, 4, 0, 0), True),
        (50708, "s", 0, "Synthetic", True),
        (274, "H", 1, orientation, True),
    ]
    camera += [(50721, "2i", 9, matrix, True), (50778, "H", 1, 21, True), (50728, "2I", 3, 6 * (1,), True)]
    plain = {"metadata": None, "software": False}
    file = io.BytesIO()
    with tifffile.TiffWriter(file) as out:
        if thumbnail:
            small = np.zeros((16, 24, 3), np.uint8)
            out.write(small, photometric="rgb", subfiletype=1, subifds=1, extratags=camera, **plain)
        out.write(mosaic, photometric="cfa", extratags=pattern + (camera if not thumbnail else []), **plain)
    return file.getvalue()


@pytest.mark.parametrize("thumbnail", [False, True])
@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_raw_data_of_a_synthetic_dng_are_developed(orientation, thumbnail):
    pytest.importorskip("rawpy")
    image = read(synthetic_dng(orientation, thumbnail))
    assert image.rgb.dtype == np.uint16
    upright = np.rot90(full_lightness(image).numpy(), {1: 0, 3: 2, 6: 1, 8: 3}[orientation])
    assert upright.shape == (64, 96)
    # It comes brighter than the sensor has it, by one factor; at the margins there are no neighbors to mix.
    light = ((upright[8:-8, 8:-8] + 16) / 116) ** 3
    share = light / np.linspace(1000, 60000, 96)[8:-8]
    assert share.std() < 0.02 * share.mean()


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_heic_is_read_upright_with_its_profile_and_opacity(orientation):
    pillow_heif = pytest.importorskip("pillow_heif")
    ramp = np.tile(np.linspace(20, 255, 64).astype(np.uint8), (48, 1))
    exif = Image.Exif()
    exif[274] = orientation
    for profile, light in ((None, srgb_light(ramp / 255)), (profile_of(1.0, primaries=True), ramp / 255)):
        file = io.BytesIO()
        pixels = Image.fromarray(np.dstack([ramp, ramp, ramp, ramp]))
        pixels.info["icc_profile"] = profile
        pillow_heif.from_pillow(pixels).save(file, quality=100, chroma=444, exif=exif.tobytes())
        image = read(file.getvalue())
        turned = {1: 0, 3: 2, 6: 3, 8: 1}[orientation]
        assert np.abs(full_lightness(image).numpy() - np.rot90(lightness(light), turned)).max() < 2
        assert np.abs(image.alpha.astype(int) - np.rot90(ramp, turned)).max() <= 3
    for content in (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(90), file.getvalue()[:200]):
        with pytest.raises(ValueError, match="begins like HEIC, but is damaged or truncated"):
            read(content)


@pytest.mark.parametrize(
    ("module", "content"),
    [
        ("rawpy", synthetic_dng()),
        ("pillow_heif", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(90)),
    ],
)
def test_what_is_not_installed_is_named(monkeypatch, module, content):
    monkeypatch.setitem(sys.modules, module, None)
    for way in (decode, lambda content: read_file(io.BytesIO(content), "it")):
        with pytest.raises(ValueError, match=rf"needs {module}: pip install 'colorlab\[files\]'"):
            way(content)


# ---- what a PNG says


def gamma(value):
    return b"gAMA", struct.pack(">I", value)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("color", [False, True])
def test_gamma_of_a_png(bits, color):
    values = whole(RAMP, bits)
    stored = np.dstack(3 * [values]) if color else values
    shares = values / (2**bits - 1)
    assert_lightness(png_of(stored, gamma(100_000)), lightness(shares))
    assert_lightness(png_of(stored, gamma(55_556)), lightness(shares**1.8))
    linear = profile_of(1.0, primaries=color)
    srgb = lightness(srgb_light(shares))
    assert_lightness(png_of(stored, gamma(100_000), (b"sRGB", b"\0")), srgb)
    assert_lightness(png_of(stored, gamma(55_556), (b"iCCP", b"x\0\0" + zlib.compress(linear))), lightness(shares))
    assert_lightness(png_of(stored, (b"cICP", b"\1\x0d\0\1"), gamma(100_000)), srgb)
    assert_lightness(png_of(stored, (b"cICP", b"\1\x08\0\1"), (b"sRGB", b"\0")), lightness(shares))
    chromaticities = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
    assert_lightness(png_of(stored, gamma(45_455), (b"cHRM", chromaticities)), srgb)


def test_wide_primaries_of_a_png():
    red = np.full((4, 6, 3), (200, 40, 40), np.uint8)
    p3 = read(png_of(red, (b"cICP", b"\x0c\x0d\0\1"))).rgb[0, 0]
    assert p3[0] > 215 > 40 > p3[1]
    with pytest.raises(ValueError, match="HDR"):
        read(png_of(red, (b"cICP", b"\x09\x10\0\1")))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("color", [False, True])
def test_a_png_in_which_one_value_is_transparent(bits, color):
    values = whole(RAMP, bits)
    values[0, 0], values[0, 1] = (300, 301) if bits == 16 else (30, 31)
    stored = np.dstack(3 * [values]) if color else values
    key = struct.pack(">H", int(values[0, 0])) * (3 if color else 1)
    alpha = read(png_of(stored, (b"tRNS", key))).alpha
    expected = np.full((4, 6), 255)
    expected[0, 0] = 0
    np.testing.assert_array_equal(alpha, expected)


# ---- the terminal


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["cut", "many samples", "bad codes"])
def test_nothing_of_a_reader_reaches_the_terminal(tmp_path, kind):
    content = tiff_of(bytes(24), (6, 4), (16,), extra=[(700, 7, bytes(9))])[:-8]
    if kind == "many samples":  # which Pillow logs
        content = tiff_of(bytes(24), (6, 4), (8,) * 9, compression=5)
    elif kind == "bad codes":  # which libtiff prints
        content = tiff_of(b"\xff" * 24, (6, 4), (8,), compression=5)
    (tmp_path / "odd.tif").write_bytes(content)
    code = "import sys; from colorlab.image import read_image\ntry: read_image(sys.argv[1])\nexcept ValueError: pass"
    run = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "odd.tif"], capture_output=True, text=True, check=True
    )
    assert run.stderr == ""


def test_a_pipe_is_no_image(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(ValueError, match="pipe"):
        read_image(tmp_path / "pipe.jpg")
