"""The model comparison without a browser: traits are set as the browser would set them."""

import base64
import datetime
import html
import io
import re

import IPython.display
import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from skimage.metrics import peak_signal_noise_ratio

from colorlab import colorize, pretrained
from colorlab.data.samples import photograph
from colorlab.evaluation import PerceptualDistance, gray, score_images
from colorlab.evaluation.leaderboard import heading, reading
from colorlab.image import LoadedImage, read_image
from colorlab.models import ConstantColor
from colorlab.widgets import ModelComparison
from colorlab.widgets.base import Source
from colorlab.widgets.scoring import FORMULAS, best_first, reduced, scored
from colorlab.widgets.subject import as_image, as_tensor

# From the least to the most color: a brown that suits the cup of coffee.
MODELS = {
    "gray": gray(),
    "pale": ConstantColor((8, 10)),
    "brown": ConstantColor((16, 20)),
    "blue": ConstantColor((0, -60)),
}


@pytest.fixture
def cup(tmp_path, monkeypatch):
    """A photograph of 96×64 pixels, in an otherwise empty folder."""
    monkeypatch.chdir(tmp_path)
    photograph("coffee").resize((96, 64)).save("cup.png")
    return tmp_path / "cup.png"


@pytest.fixture
def comparison(cup):
    return ModelComparison("cup.png", MODELS)


def upload(comparison, name, content):
    """Hand a file to the upload button as ipywidgets 8 does."""
    comparison.upload.value = (
        {
            "name": name,
            "type": "",
            "size": len(content),
            "content": memoryview(content),
            "last_modified": datetime.datetime(2026, 5, 17, tzinfo=datetime.UTC),
        },
    )


def said(comparison):
    """The text of the status line."""
    found = re.fullmatch(r'<p role="status" aria-live="polite"[^>]*>(.*)</p>', comparison.status.value)
    assert found, comparison.status.value
    return html.unescape(found[1])


def captions(comparison):
    return re.findall(r"<figcaption>([^<]*?) ?<", comparison.gallery.value)


def test_scores_are_those_of_the_package_and_of_scikit_image(comparison, cup):
    original = read_image(cup).rgb
    assert list(comparison.table.index) == list(MODELS)
    assert list(comparison.table.columns) == list(FORMULAS)
    for name, model in MODELS.items():
        result = np.asarray(colorize(cup, model))
        truth = peak_signal_noise_ratio(original, result, data_range=255)
        assert comparison.table.loc[name, "psnr"] == pytest.approx(truth, abs=1e-4)
        pair = [as_tensor(Image.fromarray(np.asarray(image)))[None] for image in (original, result)]
        expected = score_images(*pair, ["ciede2000"])["ciede2000"].item()
        assert comparison.table.loc[name, "ciede2000"] == pytest.approx(expected)


@pytest.mark.parametrize("score", FORMULAS)
def test_every_score_can_order_the_models(comparison, score):
    comparison.score.value = score
    values = comparison.table[score][comparison.order]
    assert values.is_monotonic_increasing if reading(score)[2] == "lower" else values.is_monotonic_decreasing
    assert captions(comparison) == ["original", *comparison.order]
    assert f"sorted by {heading(score)}: {comparison.order[0]} is first" in said(comparison)
    # Each score has one name; the one that decides is marked for each of the models, and stands beside its image.
    assert re.findall(r'<th scope="col">([^<]*)<', comparison.scores.value)[1:] == [
        heading(name) for name in FORMULAS
    ]
    marked = re.findall(r'<td class="chosen[^>]*>([^<]*)<', comparison.scores.value)
    assert marked == [f"{value:#.3g}".rstrip(".") for value in values]
    assert re.findall(r"<b>([^<]*)</b>", comparison.gallery.value) == marked


def test_scores_disagree_about_the_order(comparison):
    orders = set()
    for score in FORMULAS:
        comparison.score.value = score
        orders.add(tuple(comparison.order))
    assert len(orders) > 1


def test_by_default_all_that_ship_and_the_baselines_on_a_sample():
    comparison = ModelComparison()
    assert list(comparison.table.index) == ["gray", "mean color", *pretrained.NAMES]
    assert comparison.table.notna().all(axis=None)
    assert repr(comparison) == "ModelComparison(image='coffee', 256×171)"
    assert comparison._repr_mimebundle_()["text/plain"] == repr(comparison)
    assert "coffee at 256×171 pixels" in said(comparison)


def test_another_image_and_back(comparison):
    first = comparison.gallery.value
    comparison.image.value = Source("sample", "rocket")
    assert said(comparison).startswith("rocket at 256×171 pixels")
    assert "rocket, the original" in comparison.gallery.value
    comparison.image.value = Source("own", "cup.png")
    assert comparison.gallery.value == first


def test_an_upload_the_same_one_twice_and_its_order_is_kept(comparison, cup):
    comparison.score.value = "ssim"
    for _ in range(2):
        upload(comparison, "<mine> & yours.png", cup.read_bytes())
        assert said(comparison).startswith("<mine> & yours.png at 96×64 pixels, sorted by SSIM")
        assert comparison.image.value == Source("own", "<mine> & yours.png")
        assert "<mine>" not in comparison.gallery.value
        comparison.image.value = Source("sample", "cat")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("notes.txt", b"no image", "notes.txt is not an image"),
        ("cut.png", "cup", "cut.png is damaged"),
        ("stamp.png", (20, 20), "stamp.png is too small or too narrow"),
        ("panorama.png", (1600, 100), "panorama.png is too small or too narrow"),
    ],
)
def test_what_cannot_be_compared_is_a_sentence_and_changes_nothing(comparison, cup, name, content, sentence):
    before = comparison.gallery.value, comparison.image.value, repr(comparison)
    if content == "cup":
        content = cup.read_bytes()[:500]
    elif isinstance(content, tuple):
        buffer = io.BytesIO()
        Image.new("RGB", content, "red").save(buffer, "PNG")
        content = buffer.getvalue()
    upload(comparison, name, content)
    assert said(comparison).startswith(sentence)
    assert said(comparison).endswith("Nothing was changed.")
    assert (comparison.gallery.value, comparison.image.value, repr(comparison)) == before


def test_a_model_that_fails_is_a_sentence_and_changes_nothing(cup):
    class Moody(ConstantColor):
        moody = False

        def predict(self, lightness):
            if self.moody:
                raise RuntimeError("not enough memory: you tried to allocate 9999 bytes")
            return super().predict(lightness)

    model = Moody()
    comparison = ModelComparison("cup.png", {"moody": model})
    before = comparison.gallery.value
    model.moody = True
    upload(comparison, "other.png", cup.read_bytes())
    assert said(comparison) == "not enough memory: you tried to allocate 9999 bytes. Nothing was changed."
    assert comparison.image.value == Source("own", "cup.png")
    assert all(label != "other.png (own)" for label, _ in comparison.image.options)
    assert comparison.gallery.value == before


def test_of_a_image_without_color_it_says_what_the_scores_are_worth(comparison, cup):
    buffer = io.BytesIO()
    Image.open(cup).convert("L").save(buffer, "PNG")
    upload(comparison, "old.png", buffer.getvalue())
    assert "has no color of its own" in said(comparison)
    assert comparison.order[0] == "gray"
    assert comparison.table.loc["gray", "psnr"] == np.inf


def test_a_perceptual_distance_is_one_more_score(cup):
    perceptual = PerceptualDistance("colorlab")
    comparison = ModelComparison("cup.png", MODELS, perceptual=perceptual)
    comparison.score.value = perceptual.label
    original = as_tensor(Image.open(cup))[None]
    blue = as_tensor(colorize(cup, MODELS["blue"]))[None]
    found = comparison.table[perceptual.label]
    assert found["blue"] == pytest.approx(perceptual(original, blue).item(), rel=1e-4)
    assert comparison.order == list(found.sort_values().index)


def test_images_are_reduced_and_never_enlarged():
    assert reduced(read_image(photograph("rocket")), "x").shape == (3, 171, 256)
    small = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    assert torch.equal(reduced(LoadedImage(small), "x"), torch.from_numpy(small).movedim(-1, 0))
    deep = small.astype(np.uint16) * 257
    assert torch.equal(reduced(LoadedImage(deep), "x"), torch.from_numpy(small).movedim(-1, 0))
    assert torch.equal(
        as_tensor(as_image(torch.from_numpy(small).movedim(-1, 0))), torch.from_numpy(small).movedim(-1, 0)
    )


def test_the_original_itself_is_perfect_by_every_score():
    original = as_tensor(photograph("cat").resize((48, 40)))
    table = scored(original, {"gray": as_tensor(photograph("cat").resize((48, 40)).convert("L")), "itself": original})
    for score in FORMULAS:
        assert best_first(table, score).index[0] == "itself"


def test_equals_keep_their_order():
    table = pd.DataFrame({"mae": [2.0, 1.0, 2.0], "psnr": [1.0, 1.0, 3.0]}, index=["a", "b", "c"])
    assert list(best_first(table, "mae").index) == ["b", "a", "c"]
    assert list(best_first(table, "psnr").index) == ["c", "a", "b"]


def test_mistakes_are_named(cup):
    with pytest.raises(ValueError, match="models is empty"):
        ModelComparison("cup.png", {})
    with pytest.raises(ValueError, match=r"nothing\.png does not exist"):
        ModelComparison("nothing.png", MODELS)


def test_a_stored_notebook_keeps_a_image(comparison, monkeypatch, capsys):
    outputs = []
    monkeypatch.setattr(IPython.display, "display", lambda data, metadata, raw: outputs.append((data, metadata)))
    comparison._ipython_display_()
    ((data, metadata),) = outputs
    with Image.open(io.BytesIO(base64.b64decode(data["image/jpeg"]))) as image:
        assert image.width > 500
    assert data["text/plain"] == repr(comparison)
    assert "the original" in metadata["image/jpeg"]["alt"]
    values = comparison.table["mae"].sort_values()
    ranks = ", ".join(f"{rank} {name} {value:.3g}" for rank, (name, value) in enumerate(values.items(), start=1))
    assert capsys.readouterr().out == (f"cup.png, the models in the order of MAE of a, b (Lab, ↓): {ranks}.\n")
