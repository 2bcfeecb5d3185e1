"""Color for an image of any size and kind: the lightness is the input's, the colors are the model's."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image
from skimage import data
from skimage.color import rgb2lab
from torch import Tensor
from torch.nn import functional as F

import colorlab
from colorlab import color, pretrained
from colorlab.data import create_dataset
from colorlab.data.samples import photograph
from colorlab.hints import Hint
from colorlab.image import read_image
from colorlab.inference import colorize, enlarge, full_lightness, predict_ab, render
from colorlab.models import Colorizer, ConstantColor

# Half an 8-bit step is worth most in L where the curve of L over the gray levels is steepest. Of the colors with
# that red, green and blue or more, none is steeper than the gray (Jensen's inequality).
_LEVELS = np.clip(np.arange(0, 256, 0.5), 0, 255) / 255
HALF_A_STEP = np.abs(np.diff(rgb2lab(np.repeat(_LEVELS[None, :, None], 3, axis=2))[0, :, 0])).max() + 0.01


class Probe(Colorizer):
    """Answers a = the input itself, b = how many pixels each input had, and remembers the sizes it was given."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.stride = stride
        self.norm = torch.nn.BatchNorm2d(1)
        self.sizes: list[tuple[int, int]] = []

    def predict(self, lightness: Tensor) -> Tensor:
        self.sizes.append(tuple(lightness.shape[-2:]))
        self.norm(lightness)
        return torch.cat([lightness, torch.full_like(lightness, 0.1)], dim=1)


@pytest.fixture(scope="module")
def model() -> Colorizer:
    return pretrained.load()


def lightness_of(image: np.ndarray) -> np.ndarray:
    """L by scikit-image, of uint8, uint16 or float."""
    return rgb2lab(image / np.iinfo(image.dtype).max if image.dtype.kind == "u" else image)[..., 0]


# ---- lightness, against scikit-image


@pytest.mark.parametrize("name", pretrained.NAMES)
@pytest.mark.parametrize("photograph", ["astronaut", "coffee", "camera"])
def test_lightness_is_the_inputs_up_to_the_rounding(name, photograph):
    image = getattr(data, photograph)()[::2, ::2]
    result = colorize(image, name)
    assert (result.mode, result.size) == ("RGB", image.shape[1::-1])
    expected = lightness_of(image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2))
    assert np.abs(lightness_of(np.asarray(result)) - expected).max() <= HALF_A_STEP


@settings(max_examples=60)
@given(
    image=st.sampled_from([np.uint8, np.uint16]).flatmap(
        lambda dtype: npst.arrays(dtype, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)))
    ),
    ab=st.tuples(st.floats(-150, 150), st.floats(-150, 150)),
)
def test_no_color_that_a_model_may_answer_changes_the_lightness(image, ab):
    # Beyond ±110 no screen follows: there, chroma gives way.
    result = np.asarray(colorize(image, ConstantColor(ab)))
    assert np.abs(lightness_of(result) - lightness_of(image)).max() <= HALF_A_STEP


@pytest.mark.parametrize("kind", ["48 bits", "16-bit gray", "float"])
def test_lightness_of_deep_images(tmp_path, model, kind):
    deep = np.random.default_rng(1).integers(0, 65536, (40, 60, 3), dtype=np.uint16)
    path = tmp_path / "image.tif"
    if kind == "48 bits":
        tifffile.imwrite(path, deep, photometric="rgb")
    elif kind == "16-bit gray":
        tifffile.imwrite(path, deep[..., 0])
        deep = np.repeat(deep[..., :1], 3, axis=2)
    else:
        deep = deep / 65535
        tifffile.imwrite(path, deep.astype(np.float32), photometric="rgb")
    result = np.asarray(colorize(path, model))
    assert np.abs(lightness_of(result) - lightness_of(deep)).max() <= HALF_A_STEP


def test_full_lightness_is_that_of_scikit_image_in_every_strip():
    # 900,000 pixels: more than a strip holds, and no multiple of it.
    image = np.random.default_rng(2).integers(0, 256, (750, 1200, 3), dtype=np.uint8)
    np.testing.assert_allclose(full_lightness(read_image(image)), lightness_of(image), atol=2e-3)


# ---- the same image, however it comes


def test_files_arrays_images_and_tensors_give_one_result(tmp_path, model):
    image = data.astronaut()[100:160, 200:290]
    Image.fromarray(image).save(tmp_path / "image.png")
    expected = np.asarray(colorize(tmp_path / "image.png", model))
    for same in (
        str(tmp_path / "image.png"),
        Image.fromarray(image),
        image,
        image.astype(np.uint16) * 257,
        image / 255,
        torch.from_numpy(image).movedim(-1, 0),
        torch.from_numpy(image).movedim(-1, 0) / 255,
    ):
        np.testing.assert_allclose(np.asarray(colorize(same, model)), expected, atol=1)
    np.testing.assert_array_equal(np.asarray(colorize(image, model)), expected)
    np.testing.assert_array_equal(np.asarray(colorlab.colorize(image)), expected)
    np.testing.assert_array_equal(np.asarray(colorize(image, pretrained.NAMES[0])), expected)


def test_a_turned_photograph_comes_out_upright(tmp_path, model):
    image = data.coffee()[::4, ::4]
    exif = Image.Exif()
    exif[274] = 6
    # As the camera holds it: a quarter turn to the left.
    Image.fromarray(np.rot90(image)).save(tmp_path / "turned.png", exif=exif)
    result = colorize(tmp_path / "turned.png", model)
    np.testing.assert_array_equal(np.asarray(result), np.asarray(colorize(image, model)))
    assert result.getexif().get(274, 1) == 1


def test_opacity_is_kept_to_the_bit(tmp_path, model):
    rgba = np.random.default_rng(3).integers(0, 256, (30, 20, 4), dtype=np.uint8)
    Image.fromarray(rgba).save(tmp_path / "image.png")
    for source in (tmp_path / "image.png", rgba, torch.from_numpy(rgba).movedim(-1, 0)):
        result = colorize(source, model)
        assert result.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(result)[..., 3], rgba[..., 3])
        assert np.abs(lightness_of(np.asarray(result)[..., :3]) - lightness_of(rgba[..., :3])).max() <= HALF_A_STEP


@pytest.mark.parametrize("name", pretrained.NAMES)
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (3, 700), (127, 129)])
def test_any_size(name, size):
    image = np.random.default_rng(4).integers(0, 256, (*size, 3), dtype=np.uint8)
    result = np.asarray(colorize(image, name))
    assert result.shape == image.shape
    assert np.abs(lightness_of(result) - lightness_of(image)).max() <= HALF_A_STEP


# ---- prediction at the working size


def test_prediction_is_made_at_the_working_size_in_the_images_own_shape():
    for (height, width), size, small in (
        ((600, 800), 120, (104, 139)),
        ((2, 800), 20, (1, 400)),
        ((50, 40), 120, (50, 40)),  # smaller images are not enlarged
        ((120, 120), 120, (120, 120)),
        ((1000, 1000), None, (32, 32)),  # the model's own working size
    ):
        probe = Probe()
        ab = predict_ab(torch.rand(height, width) * 100, probe, size=size)
        assert probe.sizes == [small]
        assert tuple(ab.shape) == (2, *small)


@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize("size", [(1, 1), (5, 33), (32, 64), (17, 100)])
def test_padding_for_the_network_leaves_no_trace(stride, size):
    lightness = torch.rand(size, generator=torch.Generator().manual_seed(5)) * 100
    probe = Probe(stride)
    ab = predict_ab(lightness, probe, size=1000)
    (height, width) = probe.sizes[0]
    assert (height % stride, width % stride) == (0, 0)
    assert (height - size[0], width - size[1]) < (stride, stride)
    # The probe's a is the lightness that the network saw, in network units.
    torch.testing.assert_close(ab[0] / color.AB_SCALE, lightness / 50 - 1, atol=1e-5, rtol=0)
    torch.testing.assert_close(ab[1], torch.full(size, 0.1 * color.AB_SCALE))


def test_reduction_keeps_the_mean_lightness():
    # Without antialiasing, single bright pixels would be lost or blown up.
    lightness = torch.zeros(1024, 1024)
    lightness[::8, ::8] = 64
    ab = predict_ab(lightness, Probe(), size=64)
    seen = (ab[0] / color.AB_SCALE + 1) * 50
    assert seen.mean().item() == pytest.approx(1, rel=1e-3)
    assert seen[8:-8, 8:-8].std().item() < 0.05


def test_a_model_in_training_is_left_as_it_was():
    probe = Probe().train()
    before = {key: value.clone() for key, value in probe.state_dict().items()}
    predict_ab(torch.rand(16, 16) * 100, probe)
    assert probe.training
    assert probe.norm.training
    for key, value in probe.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0)


def test_predictions_can_be_trained_on_and_edited():
    # Tensors made in inference mode could not.
    ab = predict_ab(torch.rand(16, 16) * 100, Probe())
    ab += 1
    (ab * torch.ones(1, requires_grad=True)).sum().backward()


# ---- joining


@pytest.mark.parametrize("small", [(1, 1), (64, 48), (750, 1200)])
def test_render_in_strips_is_render_at_once(small):
    generator = torch.Generator().manual_seed(6)
    lightness = torch.rand(750, 1200, generator=generator) * 40 + 35
    ab = (torch.rand(2, *small, generator=generator) - 0.5) * 80
    large = enlarge(ab, lightness)
    whole = color.to_uint8(color.lab_to_rgb(color.fit_to_gamut(torch.cat([lightness[None], large]))))
    difference = np.asarray(render(lightness, ab)).astype(int) - whole.movedim(0, -1).numpy()
    # Positions are computed in another order: a rounding may fall to the other side, one pixel in thousands.
    assert np.abs(difference).max() <= 1
    assert (difference != 0).mean() < 1e-3


@pytest.mark.parametrize("small", [(1, 1), (7, 5), (30, 40)])
def test_on_plain_surfaces_colors_are_enlarged_bilinearly(small):
    ab = torch.rand(2, *small, generator=torch.Generator().manual_seed(0))
    expected = F.interpolate(ab[None], (30, 40), mode="bilinear", align_corners=False)[0]
    torch.testing.assert_close(enlarge(ab, torch.full((30, 40), 60.0)), expected, rtol=1e-4, atol=1e-5)


def test_colors_end_where_lightness_does():
    """A red thing on a blue ground, lighter than that: the color of one hardly reaches into the other."""
    lightness = torch.full((64, 64), 30.0)
    lightness[:, 30:] = 70.0  # not on the border of two small pixels, which are 8 wide
    small = torch.zeros(2, 8, 8)
    small[0, :, 4:], small[1, :, :4] = 60.0, -40.0
    bilinear = F.interpolate(small[None], (64, 64), mode="bilinear", align_corners=False)[0]
    true = torch.where(
        lightness > 50, torch.tensor([60.0, 0.0])[:, None, None], torch.tensor([0.0, -40.0])[:, None, None]
    )
    errors = [(enlarged - true).norm(dim=0).mean() for enlarged in (enlarge(small, lightness), bilinear)]
    assert errors[0] < 0.6 * errors[1]


def test_true_colors_of_photographs_come_nearer_than_by_bilinear_enlargement():
    found = []
    for name in ("astronaut", "coffee", "chelsea"):
        lab = color.rgb_to_lab(torch.from_numpy(getattr(data, name)()).movedim(-1, 0))
        small = F.interpolate(lab[None, 1:], (160, 160), mode="area")
        plain = F.interpolate(small, lab.shape[1:], mode="bilinear", align_corners=False)[0]
        found.append([float((ab - lab[1:]).square().mean()) for ab in (enlarge(small[0], lab[0]), plain)])
    errors = np.array(found).mean(axis=0)
    assert errors[0] < 0.95 * errors[1]


def test_without_chroma_the_image_is_gray(model):
    lightness = full_lightness(read_image(data.astronaut()[::4, ::4]))
    ab = predict_ab(lightness, model)
    gray = np.asarray(render(lightness, ab, chroma=0))
    assert (gray == gray[..., :1]).all()
    assert np.abs(lightness_of(gray) - lightness.numpy()).max() <= HALF_A_STEP
    np.testing.assert_array_equal(np.asarray(render(lightness, ab, chroma=1)), np.asarray(render(lightness, ab)))


# ---- errors


def test_errors_say_what_there_is():
    image = np.zeros((4, 4), np.uint8)
    with pytest.raises(ValueError, match=", ".join(pretrained.NAMES)):
        colorize(image, "nonesuch")
    with pytest.raises(ValueError, match="at least 1 pixel, got 0"):
        colorize(image, size=0)


# ---- the weights that ship


def test_every_file_that_ships_is_whole_and_has_a_card():
    folder = Path(pretrained.__file__).parent
    assert {path.stem for path in folder.glob("*.safetensors")} == set(pretrained.FILES)
    for name in pretrained.FILES:
        assert pretrained.path(name).is_file()
        assert pretrained.card(name).startswith(f"# `{name}`")
    assert sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) < 48e6


@pytest.mark.slow
def test_shipped_classifiers_know_the_classes_of_their_data_sets_and_miss_the_colors():
    assert pretrained.CLASSIFIERS == ("cifar10", "placeholder")
    assert len(pretrained.load_classifier("cifar10").classes) == 10
    judge, testset = pretrained.load_classifier("placeholder"), create_dataset("placeholder", "test")
    assert judge.classes == testset.classes
    grayed = color.to_uint8(color.lab_to_rgb(color.rgb_to_lab(testset.rgb) * torch.tensor([1.0, 0, 0]).view(3, 1, 1)))
    with torch.no_grad():
        right = [(judge(rgb).argmax(dim=1) == testset.labels).float().mean() for rgb in (testset.rgb, grayed)]
    assert right[0] > 0.7 > right[1] + 0.1  # of 200 test images: 0.80 in color, 0.53 in gray
    with pytest.raises(ValueError, match=r"no classifier for 'places365' ships .* only for cifar10, placeholder"):
        pretrained.load_classifier("places365")


def test_the_shipped_weights_are_what_their_index_says():
    assert pretrained.NAMES
    for name in pretrained.NAMES:
        network = pretrained.load(name)
        assert name.split("-")[0] == network.name  # what follows the dash is the data set
        assert not network.training
        assert pretrained.card(name).strip()
    with pytest.raises(ValueError, match="nonesuch"):
        pretrained.card("nonesuch")


def test_a_changed_weight_file_is_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"weights")
    pretrained.check(path, hashlib.sha256(b"weights").hexdigest())
    with pytest.raises(ValueError, match="is not the file that was shipped"):
        pretrained.check(path, hashlib.sha256(b"others").hexdigest())


# ---- memory


def peak_memory(command: list[str], folder: Path) -> int:
    """Bytes that a process held at its peak.

    Started by a small process in between: Linux counts what the one that forked held to the new one's peak.
    """
    between = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", between, *command],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return int(done.stdout) * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.slow
def test_a_photograph_of_24_megapixels_fits_into_2_gigabytes(tmp_path):
    # Mid-tones, which are quickly done, with a band of black to white, where colors leave the gamut.
    image = np.linspace(90, 170, 6000, dtype=np.float32).astype(np.uint8)[None].repeat(4000, axis=0)
    image[:100] = np.linspace(0, 255, 6000, dtype=np.float32).astype(np.uint8)
    Image.fromarray(image).convert("RGB").save(tmp_path / "large.jpg")
    command = [sys.executable, "-m", "colorlab", "colorize", "large.jpg", "--output", "done"]
    peak = peak_memory(command, tmp_path)
    print(f"peak memory: {peak / 2**20:.0f} MiB")
    assert peak < 2e9
    with Image.open(tmp_path / "done" / "large.png") as result:
        assert result.size == (6000, 4000)


def test_hints_may_be_one_hint_an_image_of_strokes_or_none():
    photo = photograph("coffee").resize((96, 64))
    hint = Hint(40, 30, "#2040c0")
    expected = np.asarray(colorize(photo, hints=[hint]))
    assert np.array_equal(np.asarray(colorize(photo, hints=hint)), expected)
    assert np.array_equal(np.asarray(colorize(photo, hints=None)), np.asarray(colorize(photo)))
    strokes = Image.new("RGBA", photo.size)
    strokes.putpixel((40, 30), (0x20, 0x40, 0xC0, 255))
    # Strokes and hint give the same color to the same pixel.
    assert np.abs(np.asarray(colorize(photo, hints=strokes)).astype(int) - expected).max() <= 1
