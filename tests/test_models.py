"""The colorizers: their sizes, what they take, what they answer, and that all of their layers learn."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from colorlab.models import COLORIZERS, ConstantColor, create_colorizer
from colorlab.models.unet import UNET32, Layer, UNet, UNetDescription

# Published with the project; another number is another architecture.
PARAMETERS = {"resnet": 954_722, "unet32": 6_297_026}
MULTIPLES = {"resnet": 8, "unet32": 16}
NAMES = tuple(PARAMETERS)

small_unets = st.builds(
    lambda halvings, trims: UNetDescription(
        contracting=tuple([Layer(4)] * halvings + [Layer(4, stride=1)] * trims),
        expanding=tuple([Layer(4, stride=1)] * trims + [Layer(4)] * halvings),
    ),
    st.integers(1, 4),
    st.integers(0, 2),
)


def grays(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def awake(name):
    """A colorizer whose last layer, which starts at 0, has random weights too."""
    torch.manual_seed(0)
    model = create_colorizer(name)
    for parameter in model.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return model.eval()


@pytest.mark.parametrize("name", NAMES)
def test_number_of_parameters(name):
    assert name in COLORIZERS
    assert sum(parameter.numel() for parameter in create_colorizer(name).parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("multiples", [(1, 1), (2, 5), (7, 3)])
def test_any_multiple_of_the_stride_comes_back_in_its_size(name, multiples):
    height, width = (n * MULTIPLES[name] for n in multiples)
    assert awake(name)(grays(2, 1, height, width)).shape == (2, 2, height, width)


def test_resnet_takes_224_pixels():
    assert awake("resnet")(grays(1, 1, 224, 224)).shape == (1, 2, 224, 224)


@pytest.mark.parametrize("name", NAMES)
def test_an_untrained_colorizer_answers_gray(name):
    ab = create_colorizer(name).eval()(grays(2, 1, 32, 32))
    assert (ab == 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_image_is_colored_alike_alone_and_in_company(name):
    model, images = awake(name), grays(3, 1, 32, 32)
    together = model(images)
    assert together.std() > 0.01
    for image, ab in zip(images, together, strict=True):
        assert torch.allclose(model(image[None])[0], ab, atol=1e-5)


def test_unet_answers_inside_the_range_of_colors():
    model = awake("unet32")
    torch.nn.init.normal_(model.to_ab.weight, std=10)
    ab = model(grays(2, 1, 32, 32))
    assert 0.9 < ab.abs().max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_learns(name):
    torch.manual_seed(0)
    model = create_colorizer(name)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    # In the first step only the last layer moves, in the second all.
    for step in range(2):
        optimizer.zero_grad()
        F.mse_loss(model(grays(2, 1, 32, 32, seed=step)), grays(2, 2, 32, 32, seed=step + 9)).backward()
        optimizer.step()
    after = zip(model.named_parameters(), before, strict=True)
    still = [name for (name, parameter), old in after if torch.equal(parameter, old)]
    # A bias just before a batch norm has no effect, hence no gradient.
    assert [name for name in still if not name.endswith("bias")] == []


def test_unet_bridges_carry_detail_past_the_bottleneck_and_resnet_has_none():
    # Two images that differ in one pixel: where does the answer differ?
    image = grays(1, 1, 32, 32)
    other = image.clone()
    other[..., 5, 5] += 0.5
    share_beside_the_pixel = {}
    for name in NAMES:
        model = awake(name)
        change = (model(other) - model(image)).abs().sum(dim=1)[0]
        share_beside_the_pixel[name] = (change[3:8, 3:8].sum() / change.sum()).item()
    assert share_beside_the_pixel["unet32"] > 2 * share_beside_the_pixel["resnet"]


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_weights(name):
    def weights(seed):
        torch.manual_seed(seed)
        return torch.nn.utils.parameters_to_vector(create_colorizer(name).parameters())

    assert torch.equal(weights(3), weights(3))
    assert not torch.equal(weights(3), weights(4))


# U-Nets from a description


def test_unet32_is_its_description():
    torch.manual_seed(0)
    described = UNet("unet32", UNET32)
    assert described.state_dict().keys() == create_colorizer("unet32").state_dict().keys()
    assert described.stride == 16


@settings(max_examples=20)
@given(small_unets, st.integers(0, 2), st.integers(0, 2))
def test_any_described_unet_takes_every_size_it_accepts(description, taller, wider):
    model = UNet("described", description).eval()
    smallest = model.accepted_size(1)
    height, width = smallest + taller * model.stride, smallest + wider * model.stride
    assert model(grays(1, 1, height, width)).shape == (1, 2, height, width)
    with pytest.raises(ValueError, match=f"multiples of {model.stride}"):
        model(grays(1, 1, smallest, smallest - 1))


@settings(max_examples=20)
@given(small_unets)
def test_the_bottleneck_of_the_smallest_image_is_one_pixel(description):
    model = UNet("described", description).eval()
    x = grays(1, 1, model.accepted_size(1), model.accepted_size(1))
    for down in model.down:
        x = down(x)
    assert x.shape == (1, 4, 1, 1)


@pytest.mark.parametrize(
    ("down", "up", "message"),
    [
        ((), (), "must undo contracting layer by layer"),
        ((2, 2), (2,), "reverse, got .2, 2. down and .2. up"),
        ((2, 1), (2, 1), "must be those of contracting in reverse"),
        ((2, 1, 2), (2, 1, 2), "stride 2 first, then of stride 1"),
        ((3, 2), (2, 3), "stride 2 first, then of stride 1"),
    ],
)
def test_a_description_that_cannot_work_is_refused(down, up, message):
    with pytest.raises(ValueError, match=message):
        UNetDescription(tuple(Layer(4, stride) for stride in down), tuple(Layer(4, stride) for stride in up))


# The baselines' model


def test_a_constant_color_is_in_lab_units_everywhere():
    ab = ConstantColor((11, -22))(grays(2, 1, 3, 5))
    assert ab.shape == (2, 2, 3, 5)
    assert torch.allclose(ab, torch.tensor([0.1, -0.2]).view(1, 2, 1, 1))


# Mistakes


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(33, 32), (32, 4), (0, 32)])
def test_a_wrong_size_is_answered_with_the_possible_ones(name, size):
    height, width = size
    with pytest.raises(
        ValueError, match=f"{name} takes .* multiples of {MULTIPLES[name]}.* got {height}×{width}"
    ) as it:
        create_colorizer(name)(torch.zeros(1, 1, height, width))
    assert "\n" not in str(it.value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (1, 2, 32, 32), (1, 32, 32), (32, 32)])
def test_wrong_channels_are_answered_with_the_right_ones(name, shape):
    with pytest.raises(ValueError, match=rf"{name} takes lightness as \(N, 1, height, width\), got") as it:
        create_colorizer(name)(torch.zeros(shape))
    assert "\n" not in str(it.value)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=f"no colorizer 'alexnet'; there are {', '.join(COLORIZERS)}"):
        create_colorizer("alexnet")
