"""Networks by name: their sizes, what they take, what they answer, and the files they come from."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from urllib.parse import urlparse

import pytest
import torch
from torch.nn import functional as F
from torchvision.models import VGG16_Weights, squeezenet1_1, vgg16

from colorlab import color, models
from colorlab.data import create_dataset
from colorlab.models import (
    CLASSIFIERS,
    create_classifier,
    create_colorizer,
    create_discriminator,
    describe_weights,
    has_discriminator,
    load_classifier,
    load_weights,
    save_weights,
)

# Published; another number is another architecture.
COLORIZERS = {
    "resnet": 954_722,
    "unet32": 6_297_026,
    "unet224": 41_957_826,
    "nazerigan32": 6_297_026,
    "nazerigan224": 41_957_826,
    "cgan": 7_822_342,
    "distribution": 4_726_487,  # not published: the project's own
}
DISCRIMINATORS = {"nazerigan32": 2_760_513, "nazerigan224": 15_350_593, "cgan": 16_758_848}
# Sizes: multiples of the first, from the second on.
SIZES = {
    "resnet": (8, 8),
    "unet32": (16, 16),
    "unet224": (32, 96),
    "nazerigan32": (16, 16),
    "nazerigan224": (32, 96),
    "cgan": (32, 32),
    "distribution": (4, 32),
}
SMALLEST_JUDGED = {"nazerigan32": 32, "nazerigan224": 160, "cgan": 224}


def grays(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.fixture(scope="module")
def colorizers():
    torch.manual_seed(0)
    return {name: create_colorizer(name).eval() for name in COLORIZERS}


@pytest.fixture(scope="module")
def discriminators():
    torch.manual_seed(0)
    return {name: create_discriminator(name).eval() for name in DISCRIMINATORS}


# Names and sizes


def test_the_colorizers_are_the_seeds_and_the_projects_own(colorizers):
    assert list(COLORIZERS) == list(models.COLORIZERS)
    assert {name: count(network) for name, network in colorizers.items()} == COLORIZERS
    assert [network.name for network in colorizers.values()] == list(COLORIZERS)


def test_the_discriminators_are_the_seeds(discriminators):
    assert [name for name in COLORIZERS if has_discriminator(name)] == list(DISCRIMINATORS)
    assert {name: count(network) for name, network in discriminators.items()} == DISCRIMINATORS


@pytest.mark.parametrize("name", ["resnet", "unet32", "alexnet"])
def test_no_discriminator_is_answered_with_those_there_are(name):
    with pytest.raises(ValueError, match=f"no discriminator for '{name}'; .* nazerigan32, nazerigan224, cgan"):
        create_discriminator(name)


@pytest.mark.parametrize("name", COLORIZERS)
def test_the_smallest_size_and_the_next_come_back_as_they_were(colorizers, name):
    stride, smallest = SIZES[name]
    lightness = grays(1, 1, smallest, smallest + stride)
    with torch.no_grad():
        ab = colorizers[name](lightness)
    assert ab.shape == (1, 2, *lightness.shape[-2:])
    assert ab.isfinite().all()


@pytest.mark.parametrize("name", COLORIZERS)
def test_other_sizes_are_refused_in_one_sentence(colorizers, name):
    stride, smallest = SIZES[name]
    for height, width in ((smallest, smallest - stride), (smallest + 1, smallest), (smallest, smallest + stride - 1)):
        with pytest.raises(
            ValueError, match=f"^{name} takes .* multiples of {stride} and at least {smallest}"
        ) as refused:
            colorizers[name](torch.zeros(1, 1, height, width))
        assert f"got {height}×{width}" in str(refused.value)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", COLORIZERS)
def test_color_images_are_refused_in_one_sentence(colorizers, name):
    smallest = SIZES[name][1]
    with pytest.raises(
        ValueError, match=rf"^{name} takes lightness as \(N, 1, height, width\), got \(1, 3"
    ) as refused:
        colorizers[name](torch.zeros(1, 3, smallest, smallest))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", COLORIZERS)
def test_accepted_sizes_are_taken_and_no_smaller_one_fits(colorizers, name):
    stride, smallest = SIZES[name]
    for pixels in (1, smallest, smallest + 1, 500):
        size = colorizers[name].accepted_size(pixels)
        assert size >= max(pixels, smallest)
        assert size % stride == 0
        assert size - stride < max(pixels, smallest)


# cgan, which paints RGB


@pytest.fixture(scope="module")
def painted(colorizers):
    with torch.no_grad():
        lightness = grays(2, 1, 64, 32)
        return lightness, colorizers["cgan"].paint(lightness), colorizers["cgan"](lightness)


def test_cgan_answers_a_and_b_of_the_image_it_painted(painted):
    lightness, rgb, ab = painted
    assert rgb.shape == (2, 3, *lightness.shape[-2:])
    assert rgb.abs().max() <= 1
    assert ab.std() > 0.01
    _, expected = color.split(color.rgb_to_lab((rgb.double() + 1) / 2))
    torch.testing.assert_close(ab.double(), expected, rtol=0, atol=1e-4)


def test_the_colors_of_cgan_are_colors_of_a_screen(painted):
    _, rgb, ab = painted
    own_lightness, _ = color.split(color.rgb_to_lab((rgb + 1) / 2))
    assert color.in_gamut(color.join(own_lightness, ab)).all()
    assert ab.abs().max() < 1


def test_cgan_learns_through_lab(painted):
    torch.manual_seed(0)
    network = create_colorizer("cgan")
    # Black and white, where the curves of sRGB and Lab are steepest and flattest.
    lightness = torch.cat([torch.full((1, 1, 32, 32), -1.0), torch.full((1, 1, 32, 32), 1.0), grays(2, 1, 32, 32)])
    F.l1_loss(network(lightness), grays(4, 2, 32, 32) / 2).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_kernels_of_cgan_start_from_he_initialization():
    torch.manual_seed(0)
    for network in (create_colorizer("cgan"), create_discriminator("cgan")):
        kernels = [parameter for parameter in network.parameters() if parameter.dim() == 4]
        assert len(kernels) in (10, 7)
        for module in network.modules():
            if hasattr(module, "kernel_size") and module.weight.numel() > 10_000:
                expected = (2 / (module.kernel_size[0] ** 2 * module.out_channels)) ** 0.5
                assert module.weight.std().item() == pytest.approx(expected, rel=0.05)
                assert abs(module.weight.mean().item()) < 0.05 * expected


# Discriminators


@pytest.mark.parametrize(("name", "answers"), [("nazerigan32", 1), ("nazerigan224", 3), ("cgan", 1)])
def test_the_size_a_discriminator_was_made_for(discriminators, name, answers):
    size = 32 if name == "nazerigan32" else 224
    with torch.no_grad():
        logits = discriminators[name](grays(1, 1, size, size), grays(1, 2, size, size, seed=1) / 2)
    assert logits.shape == (1, 1, answers, answers)


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_discriminators_answer_in_logits_and_can_be_sure(name):
    torch.manual_seed(0)
    network, size = create_discriminator(name), SMALLEST_JUDGED[name]
    with torch.no_grad():
        last = [parameter for parameter in network.parameters() if parameter.dim() == 4][-1]
        last *= 30
        logits = network(grays(2, 1, size, size), grays(2, 2, size, size, seed=1) / 2)
    assert logits.min() < 0 or logits.max() > 1
    assert logits.abs().max() > 1


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_discriminators_look_at_the_gray_and_at_the_colors(discriminators, name):
    size = SMALLEST_JUDGED[name]
    lightness, ab = grays(1, 1, size, size), grays(1, 2, size, size, seed=1) / 4
    with torch.no_grad():
        answers = [
            discriminators[name](*pair).mean().item()
            for pair in ((lightness, ab), (-lightness, ab), (lightness, -ab), (lightness, ab.flip(1)))
        ]
    assert len(set(answers)) == 4


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_images_too_small_to_judge_are_refused_in_one_sentence(discriminators, name):
    smallest = SMALLEST_JUDGED[name]
    small = grays(1, 1, smallest, smallest - 1)
    with pytest.raises(ValueError, match=f"discriminator of {name} needs images of at least {smallest} pixels") as it:
        discriminators[name](small, small.expand(1, 2, -1, -1))
    assert f"got {smallest}×{smallest - 1}" in str(it.value)
    assert "\n" not in str(it.value)


# Classifiers


CLASSES = ("bedroom", "forest", "harbor")


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    return create_classifier("small", CLASSES).eval()


def test_the_small_one_looks_at_a_image_and_at_its_mirror_image(small):
    rgb = torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        answers, mirrored = small(rgb), small(rgb.flip(-1))
        values = (rgb - small.mean) / small.std
        looks = [small.logits(small.features(seen)) for seen in (values, values.flip(-1))]
    torch.testing.assert_close(answers, mirrored)
    torch.testing.assert_close(answers, torch.stack(looks).mean(0))
    assert not torch.allclose(*looks)


@pytest.fixture(scope="module")
def imagenet(tmp_path_factory):
    """A torch hub folder with a VGG16 in the file format of torchvision's, its convolutions random."""
    hub = tmp_path_factory.mktemp("hub")
    (hub / "checkpoints").mkdir()
    generator = torch.Generator().manual_seed(7)
    with torch.device("meta"):
        shapes = {name: tensor.shape for name, tensor in vgg16().state_dict().items()}
    state = {
        # The 124 million weights of the linear layers are one number each, which keeps the file small.
        name: torch.randn(shape, generator=generator) * 0.05
        if name.startswith("features")
        else torch.full((1,), 0.01).expand(shape)
        for name, shape in shapes.items()
    }
    torch.save(state, hub / "checkpoints" / Path(urlparse(VGG16_Weights.IMAGENET1K_V1.url).path).name)
    with pytest.MonkeyPatch.context() as patch:
        # torch.hub.set_dir cannot be taken back: the folder before, once set, would no longer follow TORCH_HOME.
        patch.setattr(torch.hub, "_hub_dir", str(hub))
        yield state


@pytest.mark.slow
def test_vgg16_keeps_what_its_convolutions_learned(imagenet):
    # In one test, since the network takes half a gigabyte.
    classifier = create_classifier("vgg16", CLASSES)
    for name, tensor in imagenet.items():
        if not name.startswith("classifier.6"):
            assert torch.equal(classifier.network.state_dict()[name], tensor), name
    assert classifier.network.classifier[6].weight.shape == (3, 4096)

    learning = {name for name, parameter in classifier.named_parameters() if parameter.requires_grad}
    assert learning == {f"network.classifier.{layer}.{kind}" for layer in (0, 3, 6) for kind in ("weight", "bias")}
    # Even an optimizer that is given everything, and decays what has no gradient.
    optimizer = torch.optim.SGD(classifier.parameters(), lr=0.1, weight_decay=0.1)
    head = classifier.network.classifier[6].weight.detach().clone()
    rgb = create_dataset("placeholder", "train").rgb[:2]
    F.cross_entropy(classifier(rgb), torch.tensor([0, 2])).backward()
    optimizer.step()
    for name, tensor in imagenet.items():
        if name.startswith("features"):
            assert torch.equal(classifier.network.state_dict()[name], tensor), name
    assert not torch.equal(classifier.network.classifier[6].weight, head)


def test_vgg16_without_imagenet_learns_throughout():
    with torch.device("meta"):
        classifier = create_classifier("vgg16", CLASSES, pretrained=False)
    assert all(parameter.requires_grad for parameter in classifier.parameters())
    # The published 138,357,544, less a last layer of 1000 classes, plus one of 3.
    assert count(classifier) == 138_357_544 - 4097 * 1000 + 4097 * 3


def test_weights_that_cannot_be_had_are_named_with_the_ways_out(tmp_path, monkeypatch):
    # No network, which a proxy that nobody answers makes sure of.
    monkeypatch.setattr("urllib.request._opener", None)  # or urllib would keep the proxy for all later tests
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    with pytest.raises(ValueError, match=r"ImageNet weights cannot be downloaded .* `small`") as refused:
        create_classifier("vgg16", CLASSES)
    message = str(refused.value)
    for part in (VGG16_Weights.IMAGENET1K_V1.url, "528 MB", f"{tmp_path}/checkpoints"):
        assert part in message
    assert "\n" not in message


def test_a_classifier_gives_a_logit_a_class(small):
    assert small(torch.rand(5, 3, 32, 40)).shape == (5, 3)
    assert small.classes == CLASSES
    assert count(small) == 1_039_920 + 193 * 3


def test_a_classifier_takes_bytes_and_floats_alike(small):
    rgb = create_dataset("placeholder", "val").rgb[:3]
    with torch.no_grad():
        torch.testing.assert_close(small(rgb), small(rgb.float() / 255))


@pytest.mark.parametrize("shape", [(1, 3, 7, 32), (1, 1, 32, 32), (3, 32, 32)])
def test_what_a_classifier_cannot_take_is_refused_in_one_sentence(small, shape):
    with pytest.raises(ValueError, match=r"^small takes RGB as \(N, 3, height, width\), both at least 8; got") as it:
        small(torch.zeros(shape))
    assert "\n" not in str(it.value)


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize("classes", [(), ("forest",)])
def test_one_class_is_none_to_tell_apart(name, classes):
    with pytest.raises(ValueError, match=f"at least 2 classes, got {len(classes)}"):
        create_classifier(name, classes, pretrained=False)


def test_squeezes_convolutions_are_torchvisions_squeezenet_once_batch_norms_are_folded_in():
    torch.manual_seed(0)
    classifier = create_classifier("squeeze", CLASSES)
    classifier(torch.rand(8, 3, 64, 64))  # lets batch norm see something
    classifier.eval()
    original = squeezenet1_1(weights=None).features.eval()
    original.load_state_dict(classifier.trunk())
    values = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(original(values), classifier.features(values), rtol=1e-3, atol=1e-4)
    assert sum(p.numel() for p in original.parameters()) == 722_496


def test_an_unknown_classifier_is_answered_with_those_there_are():
    with pytest.raises(ValueError, match="no classifier 'resnet'; there are vgg16, small, squeeze"):
        create_classifier("resnet", CLASSES)


# Files


@pytest.fixture
def small_file(small, tmp_path):
    path = tmp_path / "small.safetensors"
    save_weights(small, path, {"classes": list(CLASSES)})
    return path


def test_a_loaded_classifier_is_the_saved_one(small, small_file):
    loaded = load_classifier(small_file)
    assert loaded.classes == CLASSES
    assert not loaded.training
    rgb = create_dataset("placeholder", "val").rgb[:3]
    with torch.no_grad():
        assert torch.equal(loaded(rgb), small(rgb))
    assert describe_weights(small_file)["model_name"] == "small"


@pytest.mark.parametrize("name", ["nazerigan32", "cgan"])
def test_a_loaded_colorizer_is_the_saved_one(colorizers, tmp_path, name):
    save_weights(colorizers[name], tmp_path / "model.safetensors")
    loaded = load_weights(tmp_path / "model.safetensors")
    assert loaded.name == name
    lightness = grays(1, 1, 32, 32)
    with torch.no_grad():
        assert torch.equal(loaded(lightness), colorizers[name](lightness))


class Dangerous:
    """Unpickling this would raise the alarm."""

    def __reduce__(self):
        return exec, ("raise SystemExit('a pickle was executed')",)


@pytest.mark.parametrize("kind", ["pickle", "torch", "cut short", "colorizer", "other classes", "no classes"])
def test_what_is_no_classifier_is_refused_in_one_sentence(small, colorizers, small_file, kind):
    if kind == "pickle":
        small_file.write_bytes(pickle.dumps(Dangerous()))
    elif kind == "torch":
        torch.save(small.state_dict(), small_file)
    elif kind == "cut short":
        small_file.write_bytes(small_file.read_bytes()[:-100])
    elif kind == "colorizer":
        save_weights(colorizers["resnet"], small_file)
    elif kind == "other classes":
        save_weights(small, small_file, {"classes": ["forest", "harbor"]})
    elif kind == "no classes":
        save_weights(small, small_file)
    with pytest.raises(
        ValueError, match=r"is not a readable|cannot be used here|are not those of a small"
    ) as refused:
        load_classifier(small_file)
    assert str(small_file) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_classifier_is_no_colorizer(small_file):
    with pytest.raises(ValueError, match="cannot be used here: no colorizer 'small'") as refused:
        load_weights(small_file)
    assert "\n" not in str(refused.value)


def test_two_u_nets_of_one_shape_keep_their_names(colorizers, tmp_path):
    for name in ("unet32", "nazerigan32"):
        save_weights(colorizers[name], tmp_path / f"{name}.safetensors")
        assert load_weights(tmp_path / f"{name}.safetensors").name == name


def test_the_readme_lists_every_colorizer_with_its_parameters(colorizers):
    page = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|.*?\| ([\d,]+)(?: \+ [\d,]+)? \|", page, flags=re.MULTILINE))
    assert rows == {name: f"{count(network):,}" for name, network in colorizers.items()}
