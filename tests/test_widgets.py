"""The widgets without a browser: traits are set as the browser would set them."""

import base64
import contextlib
import datetime
import html
import io
import re
import subprocess
import sys

import IPython.display
import numpy as np
import pytest
import torch
from PIL import Image
from skimage.color import deltaE_ciede2000, rgb2lab

from colorlab import color, pretrained
from colorlab.data.samples import SAMPLES, photograph
from colorlab.image import read_image
from colorlab.inference import colorize, full_lightness, predict_ab
from colorlab.models import ConstantColor, DistributionColorizer
from colorlab.widgets import ColorizeBench
from colorlab.widgets.base import Source
from colorlab.widgets.colorize_bench import LARGE_DIFFERENCE, difference
from colorlab.widgets.files import OwnFiles, typed_path
from colorlab.widgets.subject import PREVIEW_SIZE, read_upload, reduce


@pytest.fixture
def bench(tmp_path, monkeypatch):
    """A bench in an empty folder, on a sample small enough for quick tests."""
    monkeypatch.chdir(tmp_path)
    return ColorizeBench("cat", size=64)


@pytest.fixture
def runs(monkeypatch):
    """The names of the colorizers that predicted on the bench, one entry a run."""
    seen = []

    def note(lightness, model, **options):
        seen.append(model.name)
        return predict_ab(lightness, model, **options)

    monkeypatch.setattr("colorlab.widgets.colorize_bench.predict_ab", note)
    return seen


def encoded(image, kind="JPEG", **options):
    """The bytes of an image file."""
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


def shown(text):
    """The image inside an address or HTML."""
    data = re.search(r'data:image/\w+;base64,([^"]+)', text)
    return Image.open(io.BytesIO(base64.b64decode(data[1])))


def saturation(image):
    return float(np.ptp(np.asarray(image.convert("RGB")).astype(float), axis=2).mean())


def test_the_first_line_shows_a_colored_sample():
    bench = ColorizeBench()
    assert repr(bench) == f"ColorizeBench(image='astronaut', model={pretrained.NAMES[0]!r}, 512×512)"
    assert bench._repr_mimebundle_()["text/plain"] == repr(bench)
    assert "colorlab-colorize-bench" in bench._dom_classes
    assert said(bench).startswith("astronaut, 512×512 pixels, colored by")
    assert bench.size.label == "model's own"
    assert saturation(shown(bench.curtain.before)) < 2 < saturation(shown(bench.curtain.after))


def test_every_sample_and_every_shipped_model_can_be_chosen(bench):
    assert tuple(name for name, _ in bench.image.options) == tuple(SAMPLES)
    assert tuple(bench.model.options) == pretrained.NAMES


def test_another_sample(bench, runs):
    before, after = bench.curtain.before, bench.curtain.after
    bench.image.value = Source("sample", "coffee")
    assert len(runs) == 1
    assert bench.curtain.before != before
    assert bench.curtain.after != after
    assert "coffee, 600×400 pixels" in said(bench)
    assert bench.target.value == "colorized/coffee.png"
    assert repr(bench) == f"ColorizeBench(image='coffee', model={pretrained.NAMES[0]!r}, 600×400)"


def test_another_model(bench, runs):
    other = pretrained.NAMES[-1]
    after = bench.curtain.after
    bench.target.value = "my name.png"
    bench.model.value = other
    assert bench.target.value == "my name.png"
    assert runs == [pretrained.load(other).name]
    assert bench.curtain.after != after
    assert f"model={other!r}" in repr(bench)


def test_another_working_size(bench, runs):
    after = bench.curtain.after
    bench.size.value = 96
    assert len(runs) == 1
    assert bench.curtain.after != after
    assert "working size 96 px" in said(bench)
    bench.size.value = bench.size.options[0][1]
    assert bench.size.label == "model's own"
    assert f"working size {pretrained.load().working_size} px" in said(bench)


def test_the_chroma_gain_does_not_run_the_network_again(bench, runs):
    saturations = []
    for gain in (0.0, 0.5, 1.0, 2.0):
        bench.chroma.value = gain
        saturations.append(saturation(shown(bench.curtain.after)))
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
    image = photograph("rocket").crop((0, 0, 321, 200))
    upload(bench, "holiday in März.jpg", encoded(image))
    assert len(runs) == 1
    assert said(bench).startswith("holiday in März.jpg, 321×200 pixels")
    assert repr(bench).startswith("ColorizeBench(image='holiday in März.jpg', ")
    assert bench.image.value == Source("own", "holiday in März.jpg")
    assert bench.target.value == "colorized/holiday in März.png"
    assert shown(bench.curtain.after).size == (321, 200)


def test_back_to_a_sample_and_to_the_upload_again(bench):
    content = encoded(photograph("rocket").crop((0, 0, 99, 60)))
    upload(bench, "mine.jpg", content)
    bench.image.value = Source("sample", "coffee")
    bench.image.value = Source("own", "mine.jpg")
    assert said(bench).startswith("mine.jpg, 99×60")
    bench.image.value = Source("sample", "coffee")
    # The same file a second time is another value only if the first one is forgotten by then.
    upload(bench, "mine.jpg", content)
    assert said(bench).startswith("mine.jpg, 99×60")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("notes.txt", b"no image at all", "notes.txt is not an image"),
        ("empty.png", b"", "empty.png is empty"),
        ("cut.jpg", encoded(photograph("cat"))[:2000], "cut.jpg is damaged"),
        ("cut.tif", b"II*\x00\x08\x00", "cut.tif "),
        ("", b"nothing", "upload is not an image"),
    ],
)
def test_an_upload_that_is_no_image_is_a_sentence_and_changes_nothing(bench, runs, name, content, sentence):
    before, after, representation = bench.curtain.before, bench.curtain.after, repr(bench)
    upload(bench, name, content)
    assert said(bench).startswith(sentence)
    assert said(bench).endswith("Nothing was changed.")
    assert "Traceback" not in said(bench)
    assert "/" not in said(bench)  # where the file lay on its way to the decoder is nobody's business
    assert (bench.curtain.before, bench.curtain.after, repr(bench)) == (before, after, representation)
    assert bench.image.value == Source("sample", "cat")
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
                read_upload(f"image.{kind.lower()}", bytes(damaged))


def test_names_are_text_not_markup(bench):
    upload(bench, '<img src=x onerror="alert(1)">.jpg', encoded(photograph("cat").resize((40, 30))))
    for value in (bench.status.value, bench.beside.value):
        assert "<img src=x" not in value
    assert said(bench).startswith('<img src=x onerror="alert(1)">.jpg, 40×30')


def test_damaged_exif_data_do_not_spoil_a_sound_image(bench):
    exif = Image.Exif()
    exif[274] = 6  # stored lying on its side
    exif[282] = 72.0
    content = bytearray(encoded(photograph("cat").resize((60, 40)), exif=exif))
    # The second entry says that its value is text, where a pair of integers stands.
    content[content.index(b"Exif") + 29] = 2
    upload(bench, "turned.jpg", bytes(content))
    assert said(bench).startswith("turned.jpg, 40×60 pixels")


def test_a_decoder_that_raises_something_odd_is_a_sentence_too(bench, monkeypatch):
    def read_file(file, what):
        raise KeyError("ColorSpace")

    monkeypatch.setattr("colorlab.widgets.subject.read_file", read_file)
    upload(bench, "odd.jpg", b"anything")
    assert said(bench) == "odd.jpg is damaged: 'ColorSpace'. Nothing was changed."


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP"])
def test_other_kinds_of_files(bench, kind):
    upload(bench, f"a.{kind.lower()}", encoded(photograph("cat").resize((50, 30)), kind), f"image/{kind.lower()}")
    assert said(bench).startswith(f"a.{kind.lower()}, 50×30")


def test_a_transparent_image_stays_transparent(bench, tmp_path):
    image = photograph("cat").resize((60, 40)).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize((60, 40)))
    upload(bench, "sticker.png", encoded(image, "PNG"), "image/png")
    assert shown(bench.curtain.after).mode == "RGBA"
    bench.save.click()
    with Image.open(tmp_path / "colorized" / "sticker.png") as saved:
        assert np.array_equal(np.asarray(saved)[..., 3], np.asarray(image)[..., 3])


@pytest.mark.slow
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
    assert max(shown(bench.curtain.after).size) == PREVIEW_SIZE
    difference = full_lightness(read_image(saved)) - full_lightness(read_image(original))
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
        ("", "give the image a file name"),
        ("  ", "give the image a file name"),
        ("colorized/", "colorized is a folder"),
        (".", ". is a folder"),
        ("a.jpg", "the image can be saved as PNG; name the file a.png"),
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


def test_a_image_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photograph("cat").resize((80, 50)).save("own.png")
    bench = ColorizeBench("own.png", size=64)
    assert repr(bench).startswith("ColorizeBench(image='own.png', ")
    assert bench.image.value == Source("own", "own.png")
    with pytest.raises(ValueError, match=r"missing\.png does not exist"):
        ColorizeBench("missing.png")


def test_models_of_ones_own(tmp_path):
    bench = ColorizeBench("cat", "sepia", models={"sepia": ConstantColor((8, 24))})
    assert list(bench.model.options) == [*pretrained.NAMES, "sepia"]
    pixels = np.asarray(shown(bench.curtain.after)).astype(int)
    assert (pixels[..., 0] >= pixels[..., 2]).all()
    with pytest.raises(ValueError, match="no model 'nonesuch'; there are "):
        ColorizeBench("cat", "nonesuch")
    with pytest.raises(ValueError, match="size must be at least 1"):
        ColorizeBench("cat", size=0)


def test_a_model_that_fails_leaves_the_bench_as_it_was():
    class Broken(ConstantColor):
        def predict(self, lightness):
            raise RuntimeError("not enough memory: you tried to allocate 4096 GB")

    bench = ColorizeBench("cat", "gray", models={"gray": ConstantColor(), "broken": Broken()})
    after = bench.curtain.after
    bench.model.value = "broken"
    assert said(bench) == "not enough memory: you tried to allocate 4096 GB. Nothing was changed."
    assert bench.model.value == "gray"
    assert bench.curtain.after == after


def test_reduce_never_enlarges_and_keeps_one_pixel():
    assert reduce(torch.zeros(300, 200)).shape == (300, 200)
    assert reduce(torch.zeros(2000, 1000)).shape == (512, 256)
    assert reduce(torch.zeros(1, 3000)).shape == (1, 512)


def test_typed_path(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))

    def path(text, kinds=(".png",)):
        return typed_path(text, what="it", example="results/a.png", kinds=kinds)

    assert path(" a/b ").as_posix() == "a/b.png"
    assert path("a/version 1.2").as_posix() == "a/version 1.2.png"
    assert path("a.PNG").as_posix() == "a.PNG"
    assert path("~/a.png") == tmp_path / "a.png"
    assert path("mine", (".csv", ".json")).name == "mine.csv"
    assert path("mine.JSON", (".csv", ".json")).name == "mine.JSON"
    with pytest.raises(ValueError, match=r"it can be saved as CSV or JSON; name the file mine\.csv"):
        path("mine.txt", (".csv", ".json"))
    with pytest.raises(ValueError, match=r"is a folder; add a file name, such as .*/a\.png"):
        path(str(tmp_path))


def test_of_several_files_all_are_written_or_none(tmp_path):
    mine, theirs = tmp_path / "new" / "mine.png", tmp_path / "theirs.json"
    theirs.write_bytes(b"precious")
    files = OwnFiles()
    with pytest.raises(ValueError, match=r"theirs\.json exists already"):
        files.save({mine: b"1", theirs: b"2"})
    assert not mine.exists()
    assert theirs.read_bytes() == b"precious"
    for content in (b"1", b"2"):
        files.save({mine: content})
        assert mine.read_bytes() == content
    with pytest.raises(ValueError, match=r"mine\.png exists already"):
        OwnFiles().save({mine: b"3"})
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["theirs.json", "mine.png"]


def test_the_edge_between_before_and_after(bench):
    assert bench.curtain.position == 50
    bench.curtain.position = 20
    bench.chroma.value = 0.5
    assert bench.curtain.position == 20
    assert shown(bench.curtain.before).size == shown(bench.curtain.after).size


def test_beside_it_the_colors_alone_have_one_lightness(bench):
    assert bench.view.value == "colors alone, at L = 50"
    lightness = full_lightness(read_image(shown(bench.beside.value)))
    assert float((lightness - 50).abs().median()) < 1
    assert saturation(shown(bench.beside.value)) > 5
    bench.chroma.value = 0
    assert saturation(shown(bench.beside.value)) < 1


def test_beside_it_the_difference_from_the_true_colors(bench, runs):
    bench.view.value = bench.view.options[1]
    assert runs == []
    means = []
    for gain in (0.0, 2.0):
        bench.chroma.value = gain
        means.append(float(re.search(r"CIEDE2000 to the true colors: ([\d.]+) in the mean", said(bench))[1]))
    assert means[0] != means[1]
    # The bench on an image of its own making: nearly nothing is left but what JPEG does.
    true = color.rgb_to_lab(torch.from_numpy(np.array(photograph("cat"))).movedim(-1, 0))
    black, none = difference(true, photograph("cat"))
    assert none < 1e-3
    assert len(black.getcolors()) == 1
    # What is shown is scikit-image's number.
    gray = photograph("cat").convert("L").convert("RGB")
    expected = deltaE_ciede2000(rgb2lab(np.asarray(photograph("cat"))), rgb2lab(np.asarray(gray)))
    image, mean = difference(true, gray)
    assert mean == pytest.approx(expected.mean(), rel=1e-3)
    green = np.asarray(image)[..., 1].astype(float)  # it rises from end to end of viridis
    order = np.argsort(expected.ravel())
    assert (np.diff(green.ravel()[order]) >= -1).all()
    assert (green[expected > LARGE_DIFFERENCE * 1.01] == green.max()).all() or expected.max() < LARGE_DIFFERENCE


def test_of_a_image_without_color_there_is_no_difference_to_show(bench):
    bench.view.value = bench.view.options[1]
    upload(bench, "old.jpg", encoded(photograph("cat").convert("L")))
    assert bench.view.options == ("colors alone, at L = 50",)
    assert "CIEDE2000" not in said(bench)
    bench.image.value = Source("sample", "cat")
    assert len(bench.view.options) == 2


def test_the_time_of_the_network_is_told(bench):
    assert re.search(r" at working size 64 px in \d+\.\d\d s, chroma", said(bench))


def test_a_stored_notebook_keeps_a_small_image(bench, monkeypatch, capsys):
    outputs = []
    monkeypatch.setattr(IPython.display, "display", lambda data, metadata, raw: outputs.append((data, metadata)))
    bench._ipython_display_()
    ((data, metadata),) = outputs
    assert data["text/plain"] == repr(bench)
    assert len(data["image/jpeg"]) < 30_000
    assert Image.open(io.BytesIO(base64.b64decode(data["image/jpeg"]))).width > 200
    assert "cat in gray" in metadata["image/jpeg"]["alt"]
    assert capsys.readouterr().out == f"The bench as it opened: cat, colored by {pretrained.NAMES[0]}.\n"


def test_import_colorlab_leaves_ipywidgets_alone():
    code = "import sys, colorlab; sys.exit('ipywidgets' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# ---- styles of a model that predicts a distribution


@pytest.fixture(scope="module")
def believer():
    """A model that predicts a distribution, with random weights that make its styles differ."""
    torch.manual_seed(0)
    model = DistributionColorizer().eval()
    model.set_prior((-model.bins.norm(dim=1) / 20).exp())
    torch.nn.init.normal_(model.to_logits.weight, std=0.5)
    return model


@pytest.fixture
def styled(believer):
    """A bench with that model and one that predicts a single color."""
    return ColorizeBench("cat", "believer", models={"believer": believer, "gray": ConstantColor()}, size=64)


def values(bench):
    return bench.style_name.value, bench.temperature.value, bench.prior_correction.value


def test_the_bench_begins_with_the_models_balanced_style(styled, believer):
    assert tuple(styled.style_name.options) == ("careful", "balanced", "vivid", "sample")
    own = believer.styles["balanced"]
    assert values(styled) == ("balanced", own.temperature, own.prior_correction)
    assert styled.seed.layout.display == "none"
    assert " colored by believer in style balanced at working size 64 px" in said(styled)


def test_another_style_brings_its_values_and_predicts_again(styled, believer, runs):
    after = styled.curtain.after
    styled.style_name.value = "vivid"
    own = believer.styles["vivid"]
    assert values(styled) == ("vivid", own.temperature, own.prior_correction)
    assert len(runs) == 1
    assert styled.curtain.after != after
    assert "in style vivid" in said(styled)


def test_temperature_and_prior_correction_change_the_prediction(styled, believer, runs):
    for control, value in ((styled.temperature, 1.5), (styled.prior_correction, 0.9)):
        after = styled.curtain.after
        control.value = value
        assert styled.curtain.after != after
    assert len(runs) == 2
    assert values(styled) == ("balanced", 1.5, 0.9)
    # They stay with another image, and give way to those of another style.
    styled.image.value = Source("sample", "coffee")
    assert values(styled) == ("balanced", 1.5, 0.9)
    styled.style_name.value = "careful"
    own = believer.styles["careful"]
    assert values(styled) == ("careful", own.temperature, own.prior_correction)


def test_a_sample_has_a_seed(styled, runs):
    styled.style_name.value = "sample"
    assert styled.seed.layout.display is None
    assert "in style sample, seed 0, at working size" in said(styled)
    first = styled.curtain.after
    styled.seed.value = 7
    assert "in style sample, seed 7, at working size" in said(styled)
    assert styled.curtain.after != first
    styled.seed.value = 0
    assert styled.curtain.after == first
    assert len(runs) == 3
    styled.style_name.value = "balanced"
    assert styled.seed.layout.display == "none"


def test_a_style_that_is_saved_is_what_colorize_gives(believer, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bench = ColorizeBench("cat", "believer", models={"believer": believer}, size=64, style="vivid")
    bench.temperature.value = 0.9
    bench.save.click()
    expected = colorize(photograph("cat"), believer, size=64, style="vivid", temperature=0.9)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "colorized" / "cat.png")), np.asarray(expected))


def test_a_model_that_predicts_a_single_color_has_no_styles(styled, believer):
    styled.style_name.value = "sample"
    styled.model.value = "gray"
    assert styled.style_name.disabled
    assert styled.temperature.disabled
    assert styled.prior_correction.disabled
    assert styled.seed.layout.display == "none"
    assert "style" not in said(styled)
    styled.model.value = "believer"
    assert not styled.style_name.disabled
    assert "in style sample, seed 0," in said(styled)


def test_a_style_that_fails_leaves_the_bench_as_it_was(styled, monkeypatch):
    def fail(*_arguments, **_options):
        raise RuntimeError("not enough memory")

    before, after = values(styled), styled.curtain.after
    monkeypatch.setattr("colorlab.widgets.colorize_bench.predict_ab", fail)
    styled.style_name.value = "sample"
    assert said(styled) == "not enough memory. Nothing was changed."
    assert (values(styled), styled.curtain.after) == (before, after)


def test_a_style_that_a_model_does_not_have_is_refused(believer):
    models = {"believer": believer, "gray": ConstantColor()}
    with pytest.raises(ValueError, match="no style 'loud'; there are careful, balanced, vivid, sample"):
        ColorizeBench("cat", "believer", models=models, style="loud")
    with pytest.raises(ValueError, match="predicts a single color"):
        ColorizeBench("cat", "gray", models=models, style="vivid")
