"""Every file of the field kit, where it lies beside the real data: inputs as users have them, and what is right."""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from colorlab.data.decode import decode
from colorlab.image import LoadedImage, read_image
from colorlab.inference import full_lightness
from colorlab.results import Writer, read_about

WITHIN = 0.5  # of L*, as the kit has it
NO_IMAGES = {"Thumbs.db", "a.png.part", "cifar-10-python.tar.gz", "expected.json"}  # and those that it names itself
NAMES = ExifTags.TAGS | ExifTags.GPSTAGS


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """Its folder and what it expects."""
    if "COLORLAB_REAL_DATA" not in os.environ:
        pytest.skip("COLORLAB_REAL_DATA is not set; no field kit here")
    script = Path(os.environ["COLORLAB_REAL_DATA"]).parent / "field" / "make.py"
    if not script.exists():
        pytest.skip("COLORLAB_REAL_DATA has no ../field/make.py beside it")
    folder = tmp_path_factory.mktemp("field") / "kit"
    return folder, runpy.run_path(str(script))["make"](folder)


def outcome(way, source):
    """An image, or the sentence that refuses it."""
    try:
        return way(source), None
    except ValueError as error:
        return None, str(error)


def whole(grid, image):
    """Each field of a grid as a square of pixels."""
    side = image.rgb.shape[0] // len(grid)
    return np.kron(grid, np.ones((side, side)))


def check_image(image, wanted):
    height, width, _ = image.rgb.shape
    assert [width, height] == wanted.get("size", [width, height])
    assert [width, height] != wanted.get("never")
    if "grid_L" in wanted:
        lightness = full_lightness(image).numpy()
        assert np.abs(lightness - whole(wanted["grid_L"], image)).max() < WITHIN
        assert abs(lightness.mean() - wanted["mean_L"]) < WITHIN


@pytest.mark.parametrize("extras", ["as installed", "without"])
def test_both_ways_read_every_file_alike_and_as_the_kit_says(kit, extras, monkeypatch, subtests):
    folder, expected = kit
    if extras == "without":
        for module in ("rawpy", "pillow_heif"):
            monkeypatch.setitem(sys.modules, module, None)
    others = {f"{place}/{name}" for place, facts in expected.items() for name in facts.get("no pictures", [])}
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    names = [path.relative_to(folder).as_posix() for path in paths]
    assert {name for name in expected if (folder / name).is_file()} <= set(names)
    assert len(names) > 60
    for path, name in zip(paths, names, strict=True):
        with subtests.test(ascii(name)):
            is_image = not (name in others or path.name in NO_IMAGES or path.name.startswith("."))
            wanted = expected.get(name, {}) if is_image else {"or_else": "refused"}
            image, refusal = outcome(read_image, path)
            pixels, same_refusal = outcome(decode, path.read_bytes())
            if image is None or pixels is None:
                assert refusal, f"only decode refuses: {same_refusal}"
                assert same_refusal, f"only read_image refuses: {refusal}"
                assert "or_else" in wanted, refusal
                assert str(path) in refusal
                assert "\n" not in refusal
                assert same_refusal == refusal.replace(str(path), "the file")
                needed = {".dng": "rawpy", ".heic": "pillow_heif"}.get(path.suffix)
                if needed and extras == "without":
                    assert f"needs {needed}: pip install 'colorlab[files]'" in refusal
                continue
            assert is_image
            eight = (image.rgb / 257).round() if image.rgb.dtype == np.uint16 else image.rgb
            # JPEGs have two decoders, which may round otherwise.
            atol = 2 if path.read_bytes().startswith(b"\xff\xd8") else 0
            np.testing.assert_allclose(pixels, eight, rtol=0, atol=atol)
            for found in (image, LoadedImage(pixels)):
                check_image(found, wanted)
            if "grid_alpha" in wanted:
                np.testing.assert_array_equal(image.alpha, whole(wanted["grid_alpha"], image))


def test_what_a_file_says_beside_its_pixels(kit, tmp_path, subtests):
    folder, expected = kit
    for name, count in expected["G"]["pictures"].items():
        with subtests.test(name):
            assert read_about(folder / "G" / name).images == count
    for name in ("H/photo.jpg", "H/scan.tif", "H/notes.png"):
        with subtests.test(name):
            wanted = expected[name]
            pixels = np.array(read_image(folder / name).rgb)
            assert Writer().write(pixels, tmp_path / "result.png", read_about(folder / name))
            with Image.open(tmp_path / "result.png") as result:
                exif = result.getexif()
                tags = {**exif, **exif.get_ifd(34665), **exif.get_ifd(34853)}
                said = {NAMES.get(tag): value for tag, value in tags.items()} | result.text
                for key, value in {**wanted.get("exif", {}), **wanted.get("text", {})}.items():
                    assert (list(said[key]) if isinstance(value, list) else said[key]) == value
                assert result.info["dpi"] == pytest.approx(2 * (wanted["dpi"],), abs=0.1)
                assert wanted.get("xmp", "") in str(result.info.get("xmp"))
                assert (exif[274], exif.get_ifd(1), "srgb" in result.info) == (1, {}, True)
