"""sRGB ↔ L*a*b*: against published values and scikit-image, then over the whole domain, then at the edges."""

import numpy as np
import pytest
import skimage
import torch
from hypothesis import given
from hypothesis import strategies as st

from colorlab import color

# IEC 61966-2-1 primaries under D65 and their mixtures, as color calculators (Lindbloom, EasyRGB) print them.
PUBLISHED = {
    "white": ((255, 255, 255), (100.0, 0.0, 0.0)),
    "yellow": ((255, 255, 0), (97.1393, -21.5537, 94.4780)),
    "cyan": ((0, 255, 255), (91.1132, -48.0875, -14.1312)),
    "green": ((0, 255, 0), (87.7347, -86.1827, 83.1793)),
    "magenta": ((255, 0, 255), (60.3242, 98.2343, -60.8249)),
    "red": ((255, 0, 0), (53.2408, 80.0925, 67.2032)),
    "blue": ((0, 0, 255), (32.2970, 79.1875, -107.8602)),
    "middle gray": ((128, 128, 128), (53.5851, 0.0, 0.0)),
    "black": ((0, 0, 0), (0.0, 0.0, 0.0)),
}

# The promise: this close to scikit-image, in Lab units and in RGB of 0…1.
CLOSE = 0.008

sixteen_levels = torch.arange(0, 256, 17, dtype=torch.uint8)
GRID = torch.stack(torch.meshgrid(sixteen_levels, sixteen_levels, sixteen_levels, indexing="ij")).reshape(3, 64, 64)
CORNERS = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3).T.reshape(3, 1, 8)

ignore_negative_z = pytest.mark.filterwarnings("ignore:Conversion from CIE-LAB:UserWarning")


def pixel(*values, dtype=torch.float64):
    return torch.tensor(values, dtype=dtype).reshape(3, 1, 1)


def by_skimage(function, image):
    return torch.from_numpy(function(image.movedim(-3, -1).numpy())).movedim(-1, -3)


def random_image(dtype, *shape):
    generator = torch.Generator().manual_seed(0)
    if dtype == torch.uint8:
        return torch.randint(256, shape, dtype=dtype, generator=generator)
    return torch.rand(shape, dtype=dtype, generator=generator)


def random_lab(dtype=torch.float64, reach=200.0):
    """100,000 colors, most of them outside the gamut, many impossible."""
    unit = random_image(dtype, 3, 250, 400)
    return torch.cat([unit[:1] * 100, (unit[1:] * 2 - 1) * reach])


labs = st.tuples(st.floats(0, 100), st.floats(-200, 200), st.floats(-200, 200)).map(lambda lab: pixel(*lab))


# Outside truth


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_values(name):
    rgb, lab = PUBLISHED[name]
    found = color.rgb_to_lab(pixel(*rgb, dtype=torch.uint8)).flatten()
    # The published values were computed with a white point rounded on its own; hence not 0.0001.
    assert found.tolist() == pytest.approx(lab, abs=CLOSE)
    assert color.to_uint8(color.lab_to_rgb(pixel(*lab))).flatten().tolist() == list(rgb)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_rgb_to_lab_agrees_with_scikit_image_on_random_images(dtype):
    rgb = random_image(dtype, 2, 3, 200, 300)
    assert (color.rgb_to_lab(rgb) - by_skimage(skimage.color.rgb2lab, rgb)).abs().max() < CLOSE


def test_rgb_to_lab_agrees_with_scikit_image_on_a_grid_through_the_cube():
    assert (color.rgb_to_lab(GRID) - by_skimage(skimage.color.rgb2lab, GRID)).abs().max() < CLOSE


def test_lab_to_rgb_agrees_with_scikit_image_on_a_grid_through_the_cube():
    lab = by_skimage(skimage.color.rgb2lab, GRID)
    assert torch.equal(color.to_uint8(color.lab_to_rgb(lab)), GRID)
    assert (color.lab_to_rgb(lab) - by_skimage(skimage.color.lab2rgb, lab)).abs().max() < CLOSE


@ignore_negative_z
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_lab_to_rgb_agrees_with_scikit_image_outside_the_gamut(dtype):
    lab = random_lab(dtype)
    assert not color.in_gamut(lab).all()
    assert (color.lab_to_rgb(lab) - by_skimage(skimage.color.lab2rgb, lab)).abs().max() < CLOSE


def test_luma_agrees_with_scikit_image_and_is_not_lightness():
    luma = color.luma(GRID)
    assert np.allclose(luma[0], skimage.color.rgb2gray(GRID.movedim(0, -1).numpy()), atol=1e-6)
    assert (100 * luma - color.rgb_to_lab(GRID)[:1]).abs().max() == pytest.approx(32, abs=0.5)


def test_slope_of_lightness_at_black_is_the_standards():
    rgb = pixel(0, 0, 0).requires_grad_()
    color.rgb_to_lab(rgb)[0].sum().backward()
    # CIE's kappa, (29/3)³, times the slope of sRGB's straight part.
    assert rgb.grad.sum().item() == pytest.approx((29 / 3) ** 3 / 12.92)


def test_gradients_agree_with_finite_differences():
    rgb = (0.1 + 0.8 * random_image(torch.float64, 3, 2, 3)).requires_grad_()
    assert torch.autograd.gradcheck(color.rgb_to_lab, rgb)
    lab = color.rgb_to_lab(rgb).detach().requires_grad_()
    assert torch.autograd.gradcheck(color.lab_to_rgb, lab)
    dark = (0.001 + 0.03 * random_image(torch.float64, 3, 2, 3)).requires_grad_()
    assert torch.autograd.gradcheck(color.rgb_to_lab, dark)


# Conventions


# Vector instructions take elements by the dozen and leave the last few to other code: every remainder is tried.
WIDTHS = (*range(1, 65), 10_001)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_convention_grays_are_neutral_exactly(dtype):
    for width in WIDTHS:
        grays = random_image(dtype, 1, 1, width).expand(3, 1, width)
        assert (color.rgb_to_lab(grays)[1:] == 0).all(), f"{width} pixels"
        assert (color.rgb_to_lab(grays.contiguous())[1:] == 0).all(), f"{width} pixels"


@pytest.mark.parametrize("white", [pixel(255, 255, 255, dtype=torch.uint8), torch.ones(3, 1, 1), pixel(1, 1, 1)])
def test_convention_white_has_lightness_100_exactly(white):
    assert color.rgb_to_lab(white).flatten().tolist() == [100, 0, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_convention_no_chroma_gives_equal_channels_exactly(dtype):
    for width in WIDTHS:
        lightness = 100 * random_image(dtype, 1, 1, width)
        r, g, b = color.lab_to_rgb(torch.cat([lightness, torch.zeros(2, 1, width, dtype=dtype)]))
        assert torch.equal(r, g), f"{width} pixels"
        assert torch.equal(g, b), f"{width} pixels"


@ignore_negative_z
@given(lightness=st.floats(0, 60), beyond=st.floats(0.1, 100))
def test_convention_negative_z_counts_as_zero(lightness, beyond):
    z_is_0 = 200 * (lightness + 16) / 116
    lab = pixel(lightness, 0, z_is_0 + beyond)
    assert torch.allclose(color.lab_to_rgb(lab), color.lab_to_rgb(pixel(lightness, 0, z_is_0)))
    assert (color.lab_to_rgb(lab) - by_skimage(skimage.color.lab2rgb, lab)).abs().max() < CLOSE


# Precision, and what must make no difference


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_float32_is_as_good_as_float64_to_a_ten_thousandth_of_lab(dtype):
    exact = color.rgb_to_lab(GRID.double() / 255)
    assert (color.rgb_to_lab(GRID if dtype == torch.uint8 else GRID / 255) - exact).abs().max() < 1e-4
    wild = random_lab()
    assert (color.lab_to_rgb(wild.float()) - color.lab_to_rgb(wild)).abs().max() < 1e-5


BATCHES = {
    "rgb_to_lab of uint8": (color.rgb_to_lab, random_image(torch.uint8, 90, 3, 37, 41)),
    "rgb_to_lab of floats": (color.rgb_to_lab, random_image(torch.float32, 90, 3, 37, 41)),
    "lab_to_rgb": (color.lab_to_rgb, random_lab().float().flatten()[: 60 * 4551].reshape(60, 3, 37, 41)),
}


@pytest.fixture
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", BATCHES)
def test_a_image_does_not_depend_on_its_batch_to_the_bit(name):
    # Training repeats to the bit because of this. One thread converts such a batch piece by piece.
    function, batch = BATCHES[name]
    together = function(batch)
    assert torch.equal(together, torch.cat([function(batch[:23]), function(batch[23:])]))
    assert torch.equal(together.reshape(5, -1, *batch.shape[1:]), function(batch.reshape(5, -1, *batch.shape[1:])))
    for image, converted in zip(batch, together, strict=True):
        assert torch.equal(function(image), converted)
    elsewhere = batch.movedim(1, -1).contiguous().movedim(-1, 1)
    assert torch.equal(function(elsewhere), together)


@pytest.mark.parametrize("name", ["rgb_to_lab of floats", "lab_to_rgb"])
def test_asking_for_gradients_changes_no_value(name):
    function, batch = BATCHES[name]
    with_gradients = function(batch.clone().requires_grad_())
    assert with_gradients.requires_grad
    assert torch.equal(with_gradients, function(batch))
    with torch.no_grad():
        assert not function(batch.clone().requires_grad_()).requires_grad


@pytest.mark.parametrize("name", BATCHES)
def test_compiling_captures_a_conversion_whole(name):
    function, batch = BATCHES[name]
    compiled = torch.compile(function, fullgraph=True, backend="aot_eager")
    assert torch.equal(compiled(batch), function(batch))


# The whole domain


def test_uint8_to_lab_and_back_is_the_identity_on_all_colors():
    levels = torch.arange(256, dtype=torch.uint8)
    green, blue = torch.meshgrid(levels, levels, indexing="ij")
    for red in levels:
        rgb = torch.stack([red.expand(256, 256), green, blue])
        assert torch.equal(color.to_uint8(color.lab_to_rgb(color.rgb_to_lab(rgb))), rgb), f"red {red}"


def test_network_units_hold_every_color():
    lightness, ab = color.split(color.rgb_to_lab(torch.cat([GRID, color.to_uint8(CORNERS).expand(3, 64, 8)], dim=-1)))
    assert (lightness.min(), lightness.max()) == (pytest.approx(-1, abs=1e-6), 1)
    assert -1 < ab.min() < -107 / 110
    assert 98 / 110 < ab.max() < 1


@given(labs)
def test_join_undoes_split(lab):
    lightness, ab = color.split(lab)
    assert torch.allclose(color.join(lightness, ab), lab)


def test_network_units_of_known_colors():
    lightness, ab = color.split(pixel(75, 55, -110))
    assert lightness.tolist() == [[[0.5]]]
    assert ab.flatten().tolist() == [0.5, -1]
    assert color.join(torch.zeros(1, 1, 1), torch.zeros(2, 1, 1)).flatten().tolist() == [50, 0, 0]


@given(labs)
def test_fit_to_gamut_lowers_only_the_chroma(lab):
    fitted = color.fit_to_gamut(lab)
    lightness, a, b = lab.flatten().tolist()
    new_lightness, new_a, new_b = fitted.flatten().tolist()
    assert new_lightness == lightness
    assert new_a * b == pytest.approx(new_b * a)  # the same hue,
    assert new_a * a >= 0 <= new_b * b  # not its opposite
    assert np.hypot(new_a, new_b) <= np.hypot(a, b)
    assert color.in_gamut(fitted).all()


@given(labs)
def test_fit_to_gamut_keeps_as_much_chroma_as_fits(lab):
    fitted = color.fit_to_gamut(lab)
    if color.in_gamut(lab):
        assert torch.equal(fitted, lab)
    else:
        more = fitted + 2**-16 * lab * pixel(0, 1, 1)
        assert not color.in_gamut(more)


def test_fitted_colors_survive_the_screen_where_others_change_lightness():
    lab = random_lab()
    fitted = color.fit_to_gamut(lab)
    through_screen = by_skimage(skimage.color.rgb2lab, by_skimage(skimage.color.lab2rgb, fitted))
    assert (through_screen - fitted).abs().max() < 0.05
    clipped = color.rgb_to_lab(color.lab_to_rgb(lab))
    assert (clipped - lab)[0].abs().max() > 10


def test_fit_to_gamut_leaves_every_screen_color_alone():
    lab = color.rgb_to_lab(torch.cat([GRID, color.to_uint8(CORNERS).expand(3, 64, 8)], dim=-1))
    assert color.in_gamut(lab).all()
    assert torch.equal(color.fit_to_gamut(lab), lab)


def test_black_and_white_have_no_chroma_to_keep():
    lab = torch.tensor([[0.0, 100.0], [60.0, 60.0], [-30.0, -30.0]]).unsqueeze(1)
    rgb = color.to_uint8(color.lab_to_rgb(color.fit_to_gamut(lab)))
    assert rgb[:, 0].T.tolist() == [[0, 0, 0], [255, 255, 255]]


# Gradients at the edges


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_to_lab_are_finite_at_black_and_at_the_gamuts_corners(dtype):
    tiny = torch.tensor([0, 1e-30, 1e-8, 0.04045, 0.04046], dtype=dtype).expand(3, 1, 5)
    rgb = torch.cat([CORNERS.to(dtype), tiny], dim=-1).requires_grad_()
    color.rgb_to_lab(rgb).square().sum().backward()
    assert rgb.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("function", [color.lab_to_rgb, color.fit_to_gamut])
def test_gradients_from_lab_are_finite_inside_at_the_edge_and_outside(function, dtype):
    edge = color.rgb_to_lab(CORNERS.to(dtype)).flatten(1)
    wild = random_lab(dtype).flatten(1)
    odd = torch.tensor([[0, 0, 0, 8, 100], [0, 127, -128, 0, -128], [0, -128, 127, 0, 127]], dtype=dtype)
    lab = torch.cat([edge, wild, odd], dim=1).unsqueeze(1).requires_grad_()
    function(lab).square().sum().backward()
    assert lab.grad.isfinite().all()
    assert lab.grad.abs().max() < 1e6


def test_a_clipped_channel_has_no_gradient():
    lab = pixel(50, 150, 0).requires_grad_()
    rgb = color.lab_to_rgb(lab)
    assert rgb[0] == 1
    rgb[0].sum().backward()
    assert (lab.grad == 0).all()


def test_gradients_flow_through_fit_to_gamut_outside_the_gamut():
    lab = pixel(50, 150, 20).requires_grad_()
    color.fit_to_gamut(lab)[1].sum().backward()
    assert 0 < lab.grad[1].item() < 1


# Shapes, types and mistakes


@pytest.mark.parametrize("function", [color.rgb_to_lab, color.lab_to_rgb, color.fit_to_gamut, color.luma])
@pytest.mark.parametrize("leading", [(), (1,), (4,), (2, 2)])
def test_any_axes_may_come_first(function, leading):
    image = random_image(torch.float32, 4, 3, 5, 6)[: int(np.prod(leading))]
    one_by_one = torch.stack([function(each) for each in image])
    together = function(image.reshape(*leading, 3, 5, 6))
    assert torch.allclose(together, one_by_one.reshape(together.shape), atol=1e-5)
    assert together.shape[:-3] == leading


def test_images_whose_memory_lies_otherwise_are_converted_alike():
    channels_last = random_image(torch.uint8, 2, 5, 6, 3).movedim(-1, -3)
    assert torch.equal(color.rgb_to_lab(channels_last), color.rgb_to_lab(channels_last.contiguous()))


@pytest.mark.parametrize("function", [color.rgb_to_lab, color.lab_to_rgb, color.fit_to_gamut])
def test_an_empty_batch_stays_empty(function):
    assert function(torch.zeros(0, 3, 4, 4)).shape == (0, 3, 4, 4)


@pytest.mark.parametrize(
    ("given_type", "answered"),
    [(torch.float16, torch.float32), (torch.float32, torch.float32), (torch.float64, torch.float64)],
)
def test_precision_of_the_answer(given_type, answered):
    image = random_image(torch.float32, 3, 2, 2).to(given_type)
    assert color.rgb_to_lab(image).dtype == answered
    assert color.lab_to_rgb(image).dtype == answered
    assert color.rgb_to_lab(random_image(torch.uint8, 3, 2, 2)).dtype == torch.float32


def test_float_and_uint8_images_give_the_same_lab():
    assert torch.allclose(color.rgb_to_lab(GRID), color.rgb_to_lab(GRID / 255), atol=1e-3)


def test_float_values_a_little_outside_are_not_clipped():
    lightness = color.rgb_to_lab(torch.tensor([-0.02, 1.02]).expand(3, 1, 2))[0, 0]
    assert lightness[0] < 0
    assert lightness[1] > 100


def test_to_uint8_rounds_to_the_nearest_level():
    levels = torch.tensor([-0.1, 0.0, 0.4 / 255, 0.6 / 255, 254.4 / 255, 254.6 / 255, 1.0, 1.7])
    assert color.to_uint8(levels).tolist() == [0, 0, 0, 1, 254, 255, 255, 255]


@pytest.mark.parametrize("shape", [(5, 5), (5, 5, 3), (1, 5, 5), (2, 4, 5, 5)])
@pytest.mark.parametrize("function", [color.rgb_to_lab, color.lab_to_rgb, color.split, color.in_gamut, color.luma])
def test_wrong_shapes_are_answered_with_the_right_one(function, shape):
    with pytest.raises(ValueError, match=r"must have shape \(…, 3, height, width\), got .* \.movedim"):
        function(torch.zeros(shape))


def test_float_images_of_0_to_255_are_noticed():
    with pytest.raises(ValueError, match="reaches 200; divide by 255"):
        color.rgb_to_lab(torch.full((3, 2, 2), 200.0))


def test_wrong_types_are_answered_with_the_right_ones():
    with pytest.raises(TypeError, match=r"uint8 .* or floating point"):
        color.rgb_to_lab(torch.zeros(3, 2, 2, dtype=torch.int64))
    with pytest.raises(TypeError, match=r"must be floating point, got torch\.uint8"):
        color.lab_to_rgb(torch.zeros(3, 2, 2, dtype=torch.uint8))
