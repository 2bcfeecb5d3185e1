"""The widgets without a browser: traits are set as the browser would set them."""

import base64
import contextlib
import datetime
import html
import io
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.modules.module import register_module_forward_hook

from colorlab import pretrained
from colorlab.data.placeholder import PHOTOGRAPHS, photograph
from colorlab.inference import colorize, full_lightness
from colorlab.models import Colorizer, ConstantColor
from colorlab.pictures import read_picture
from colorlab.widgets import ColorizeBench
from colorlab.widgets.colorize_bench import Source, save_path
from colorlab.widgets.subject import PREVIEW_SIZE, read_upload, reduce


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A bench in an empty folder, on a sample small enough for quick tests."""
    monkeypatch.chdir(tmp_path)
    return ColorizeBench("cat", size=64)


@pytest.fixture
def runs():
    """The colorizers that ran, one entry a run."""
    seen = []

    def note(module, _inputs, _output):
        if isinstance(module, Colorizer):
            seen.append(module.name)

    hook = register_module_forward_hook(note)
    yield seen
    hook.remove()


def encoded(image, kind="JPEG", **options):
    """The bytes of a picture file."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def upload(bench, name, content, kind="image/jpeg"):
    """Hand a file to the upload button as ipywidgets 8 does."""
    bench.upload.value = (
        {
            "name": name,
            "type": kind,
            "size": len(content),
            "content": memoryview(content),
            "last_modified": datetime.datetime(2024, 5, 17, tzinfo=datetime.UTC),
        },
    )


def said(bench):
    """The text of the status line."""
    found = re.fullmatch(r'<p role="status" aria-live="polite"[^>]*>(.*)</p>', bench.status.value)
    assert found, bench.status.value
    return html.unescape(found[1])


def shown(widget):
    """The picture inside one of the two previews."""
    data = re.search(r'src="data:image/\w+;base64,([^"]+)"', widget.value)
    return Image.open(io.BytesIO(base64.b64decode(data[1])))


def saturation(picture):
    return float(np.ptp(np.asarray(picture.convert("RGB")).astype(float), axis=2).mean())


def test_the_first_line_shows_a_coloured_sample():
    bench = ColorizeBench()
    assert repr(bench) == f"ColorizeBench(picture='astronaut', model={pretrained.NAMES[0]!r}, 512×512)"
    assert bench._repr_mimebundle_()["text/plain"] == repr(bench)
    assert "colorlab-colorize-bench" in bench._dom_classes
    assert said(bench).startswith("astronaut, 512×512 pixels, coloured by")
    assert saturation(shown(bench.before)) < 2 < saturation(shown(bench.after))


def test_every_sample_and_every_shipped_model_can_be_chosen(bench):
    assert tuple(name for name, _ in bench.picture.options) == tuple(PHOTOGRAPHS)
    assert tuple(bench.model.options) == pretrained.NAMES


def test_another_sample(bench, runs):
    before, after = bench.before.value, bench.after.value
    bench.picture.value = Source("sample", "coffee")
    assert len(runs) == 1
    assert bench.before.value != before
    assert bench.after.value != after
    assert "coffee, 600×400 pixels" in said(bench)
    assert bench.target.value == "colorized/coffee.png"
    assert repr(bench) == f"ColorizeBench(picture='coffee', model={pretrained.NAMES[0]!r}, 600×400)"


def test_another_model(bench, runs):
    other = pretrained.NAMES[-1]
    after = bench.after.value
    bench.target.value = "my name.png"
    bench.model.value = other
    assert bench.target.value == "my name.png"
    assert runs == [pretrained.load(other).name]
    assert bench.after.value != after
    assert f"model={other!r}" in repr(bench)


def test_another_working_size(bench, runs):
    after = bench.after.value
    bench.size.value = 96
    assert len(runs) == 1
    assert bench.after.value != after
    assert "working size 96 px" in said(bench)


def test_the_chroma_gain_does_not_run_the_network_again(bench, runs):
    saturations = []
    for gain in (0.0, 0.5, 1.0, 2.0):
        bench.chroma.value = gain
        saturations.append(saturation(shown(bench.after)))
        assert f"chroma gain {gain:.2f}" in said(bench)
    assert runs == []
    assert saturations == sorted(saturations)
    assert saturations[0] < 1 < saturations[-1]


def test_slider_and_number_are_one_gain(bench):
    bench.chroma_number.value = 1.5
    assert bench.chroma.value == 1.5
    bench.chroma.value = 0.5
    assert bench.chroma_number.value == 0.5


def test_upload_of_a_jpeg(bench, runs):
    picture = photograph("rocket").crop((0, 0, 321, 200))
    upload(bench, "holiday in März.jpg", encoded(picture))
    assert len(runs) == 1
    assert said(bench).startswith("holiday in März.jpg, 321×200 pixels")
    assert repr(bench).startswith("ColorizeBench(picture='holiday in März.jpg', ")
    assert bench.picture.value == Source("own", "holiday in März.jpg")
    assert bench.target.value == "colorized/holiday in März.png"
    assert shown(bench.after).size == (321, 200)


def test_back_to_a_sample_and_to_the_upload_again(bench):
    content = encoded(photograph("rocket").crop((0, 0, 99, 60)))
    upload(bench, "mine.jpg", content)
    bench.picture.value = Source("sample", "coffee")
    bench.picture.value = Source("own", "mine.jpg")
    assert said(bench).startswith("mine.jpg, 99×60")
    bench.picture.value = Source("sample", "coffee")
    # The same file a second time is another value only if the first one is forgotten by then.
    upload(bench, "mine.jpg", content)
    assert said(bench).startswith("mine.jpg, 99×60")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("notes.txt", b"no picture at all", "notes.txt is not a picture"),
        ("empty.png", b"", "empty.png is empty"),
        ("cut.jpg", encoded(photograph("cat"))[:2000], "cut.jpg is damaged"),
        ("cut.tif", b"II*\x00\x08\x00", "cut.tif "),
        ("", b"nothing", "upload is not a picture"),
    ],
)
def test_an_upload_that_is_no_picture_is_a_sentence_and_changes_nothing(bench, runs, name, content, sentence):
    before, after, representation = bench.before.value, bench.after.value, repr(bench)
    upload(bench, name, content)
    assert said(bench).startswith(sentence)
    assert said(bench).endswith("Nothing was changed.")
    assert "Traceback" not in said(bench)
    assert "/" not in said(bench)  # where the file lay on its way to the decoder is nobody's business
    assert (bench.before.value, bench.after.value, repr(bench)) == (before, after, representation)
    assert bench.picture.value == Source("sample", "cat")
    assert bench.upload.value == ()
    assert runs == []


def test_random_damage_never_raises(bench):
    generator = np.random.default_rng(0)
    small = photograph("cat").resize((24, 16))
    for kind in ("JPEG", "PNG", "TIFF", "WEBP", "BMP", "GIF"):
        whole = encoded(small, kind)
        for _ in range(40):
            damaged = bytearray(whole[: int(generator.integers(1, len(whole) + 1))])
            for place in generator.integers(0, len(damaged), size=4):
                damaged[place] = generator.integers(0, 256)
            # Some damage a decoder cannot see; all that it sees must become a ValueError.
            with contextlib.suppress(ValueError):
                read_upload(f"picture.{kind.lower()}", bytes(damaged))


def test_names_are_text_not_markup(bench):
    upload(bench, '<img src=x onerror="alert(1)">.jpg', encoded(photograph("cat").resize((40, 30))))
    for value in (bench.status.value, bench.before.value, bench.after.value):
        assert "<img src=x" not in value
    assert said(bench).startswith('<img src=x onerror="alert(1)">.jpg, 40×30')


def test_damaged_exif_data_do_not_spoil_a_sound_picture(bench):
    exif = Image.Exif()
    exif[274] = 6  # stored lying on its side
    exif[282] = 72.0
    content = bytearray(encoded(photograph("cat").resize((60, 40)), exif=exif))
    # The second entry says that its value is text, where a pair of integers stands.
    content[content.index(b"Exif") + 29] = 2
    upload(bench, "turned.jpg", bytes(content))
    assert said(bench).startswith("turned.jpg, 40×60 pixels")


def test_a_decoder_that_raises_something_odd_is_a_sentence_too(bench, monkeypatch):
    def read_picture(path):
        raise KeyError("ColorSpace")

    monkeypatch.setattr("colorlab.widgets.subject.read_picture", read_picture)
    upload(bench, "odd.jpg", b"anything")
    assert said(bench) == "odd.jpg is damaged: 'ColorSpace'. Nothing was changed."


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP"])
def test_other_kinds_of_files(bench, kind):
    upload(bench, f"a.{kind.lower()}", encoded(photograph("cat").resize((50, 30)), kind), f"image/{kind.lower()}")
    assert said(bench).startswith(f"a.{kind.lower()}, 50×30")


def test_a_transparent_picture_stays_transparent(bench, tmp_path):
    picture = photograph("cat").resize((60, 40)).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize((60, 40)))
    upload(bench, "sticker.png", encoded(picture, "PNG"), "image/png")
    assert shown(bench.after).mode == "RGBA"
    bench.save.click()
    with Image.open(tmp_path / "colorized" / "sticker.png") as saved:
        assert np.array_equal(np.asarray(saved)[..., 3], np.asarray(picture)[..., 3])


def test_saving_is_at_full_resolution_with_the_lightness_of_the_input(bench, tmp_path, runs):
    # Larger than the preview, and PNG: nothing but 8-bit rounding may come between the two L.
    original = photograph("coffee").resize((900, 600))
    upload(bench, "large.png", encoded(original, "PNG"), "image/png")
    runs.clear()
    bench.chroma.value = 1.25
    bench.save.click()
    assert runs == []
    target = tmp_path / "colorized" / "large.png"
    assert said(bench) == f"Saved {target} (900×600 pixels)."
    saved = Image.open(target)
    assert saved.size == (900, 600)
    assert max(shown(bench.after).size) == PREVIEW_SIZE
    difference = full_lightness(read_picture(saved)) - full_lightness(read_picture(original))
    # Half a level of 255 in each channel is at most 0.27 L where the curve is steepest.
    assert float(difference.abs().max()) < 0.3
    assert list(target.parent.iterdir()) == [target]


def test_what_is_saved_at_gain_1_is_what_colorize_gives(bench, tmp_path):
    bench.save.click()
    expected = colorize(photograph("cat"), pretrained.NAMES[0], size=64)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "colorized" / "cat.png")), np.asarray(expected))


def test_a_file_that_was_there_is_not_overwritten(bench, tmp_path):
    target = tmp_path / "original.png"
    target.write_bytes(b"precious")
    bench.target.value = "original.png"
    bench.save.click()
    assert said(bench).startswith("original.png exists already")
    assert target.read_bytes() == b"precious"
    # What this bench wrote itself it may replace.
    for _ in range(2):
        bench.target.value = "result"
        bench.save.click()
        assert said(bench) == f"Saved {tmp_path / 'result.png'} (451×300 pixels)."


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "give the picture a file name"),
        ("  ", "give the picture a file name"),
        ("colorized/", "colorized is a folder"),
        (".", ". is a folder"),
        ("a.jpg", "pictures are saved as PNG"),
        ("file/inside.png", "file cannot be used: File exists"),
        ("a\0b.png", "embedded null byte"),
        ("x" * 300 + ".png", "xxx"),
    ],
)
def test_a_name_that_cannot_be_written_is_a_sentence(bench, tmp_path, typed, sentence):
    (tmp_path / "file").write_bytes(b"")
    bench.target.value = typed
    bench.save.click()
    assert said(bench).startswith(sentence)
    assert said(bench).endswith("Nothing was changed.")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["file"]


def test_a_picture_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photograph("cat").resize((80, 50)).save("own.png")
    bench = ColorizeBench("own.png", size=64)
    assert repr(bench).startswith("ColorizeBench(picture='own.png', ")
    assert bench.picture.value == Source("own", "own.png")
    with pytest.raises(ValueError, match=r"missing\.png does not exist"):
        ColorizeBench("missing.png")


def test_models_of_ones_own(tmp_path):
    bench = ColorizeBench("cat", "sepia", models={"sepia": ConstantColor((8, 24))})
    assert list(bench.model.options) == [*pretrained.NAMES, "sepia"]
    pixels = np.asarray(shown(bench.after)).astype(int)
    assert (pixels[..., 0] >= pixels[..., 2]).all()
    with pytest.raises(ValueError, match="no model 'nonesuch'; there are "):
        ColorizeBench("cat", "nonesuch")
    with pytest.raises(ValueError, match="size must be at least 1"):
        ColorizeBench("cat", size=0)


def test_a_model_that_fails_leaves_the_bench_as_it_was():
    class Broken(ConstantColor):
        def predict(self, lightness):
            raise RuntimeError("not enough memory: you tried to allocate 4096 GB")

    bench = ColorizeBench("cat", "grey", models={"grey": ConstantColor(), "broken": Broken()})
    after = bench.after.value
    bench.model.value = "broken"
    assert said(bench) == "not enough memory: you tried to allocate 4096 GB. Nothing was changed."
    assert bench.model.value == "grey"
    assert bench.after.value == after


def test_reduce_never_enlarges_and_keeps_one_pixel():
    assert reduce(torch.zeros(300, 200)).shape == (300, 200)
    assert reduce(torch.zeros(2000, 1000)).shape == (512, 256)
    assert reduce(torch.zeros(1, 3000)).shape == (1, 512)


def test_save_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert save_path(" a/b ").as_posix() == "a/b.png"
    assert save_path("a/version 1.2").as_posix() == "a/version 1.2.png"
    assert save_path("a.PNG").as_posix() == "a.PNG"
    assert save_path("~/a.png") == tmp_path / "a.png"


def test_import_colorlab_leaves_ipywidgets_alone():
    code = "import sys, colorlab; sys.exit('ipywidgets' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
