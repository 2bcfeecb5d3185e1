"""The 4×4 layers against torch's own, on both sides of the size where they change over to matrices."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorlab.models.layers import Contract, Expand, concatenate

SIZES = [(4, 4), (2, 6), (6, 7), (8, 8), (10, 6)]


def _gradients(y: Tensor, *inputs: Tensor) -> list[Tensor]:
    weights = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)  # an unequal share for each output
    return list(torch.autograd.grad((y * weights).sum(), inputs))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", SIZES)
def test_contract_is_torchs_convolution(size: tuple[int, int], stride: int) -> None:
    layer = Contract(3, 5, stride).double()
    x = torch.randn(2, 3, *size, dtype=torch.float64, requires_grad=True)
    expected = F.conv2d(x, layer.weight, layer.bias, stride=stride, padding=1)
    got = layer(x)
    torch.testing.assert_close(got, expected)
    everything = (x, layer.weight, layer.bias)
    torch.testing.assert_close(_gradients(got, *everything), _gradients(expected, *everything))


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", SIZES)
def test_expand_is_torchs_transposed_convolution(size: tuple[int, int], stride: int) -> None:
    layer = Expand(5, 3, stride).double()
    x = torch.randn(2, 5, *size, dtype=torch.float64, requires_grad=True)
    expected = F.conv_transpose2d(x, layer.weight, layer.bias, stride=stride, padding=1)
    got = layer(x)
    torch.testing.assert_close(got, expected)
    everything = (x, layer.weight, layer.bias)
    torch.testing.assert_close(_gradients(got, *everything), _gradients(expected, *everything))


@pytest.mark.parametrize("layer", [Contract(3, 5), Expand(3, 5)])
def test_odd_sizes_and_frozen_weights(layer: nn.Module) -> None:
    """A discriminator that stands still still hands gradients to the image."""
    layer.requires_grad_(False)
    x = torch.randn(1, 3, 5, 3, requires_grad=True)
    plain = nn.Conv2d.forward if isinstance(layer, Contract) else nn.ConvTranspose2d.forward
    torch.testing.assert_close(layer(x), plain(layer, x))
    torch.testing.assert_close(_gradients(layer(x), x), _gradients(plain(layer, x), x), rtol=1e-4, atol=1e-5)


def test_concatenate_is_torchs_with_whole_gradients() -> None:
    x, twin = (torch.randn(2, c, 4, 4, dtype=torch.float64, requires_grad=True) for c in (3, 2))
    torch.testing.assert_close(concatenate(x, twin), torch.cat([x, twin], dim=1))
    assert torch.autograd.gradcheck(concatenate, (x, twin))
    for layout in (torch.contiguous_format, torch.channels_last):
        gradient = torch.ones(2, 5, 4, 4, dtype=torch.float64).contiguous(memory_format=layout)
        seen: list[bool] = []
        hooks = [t.register_hook(lambda g: seen.append(g.is_contiguous(memory_format=layout))) for t in (x, twin)]  # noqa: B023
        concatenate(x, twin).backward(gradient)
        for hook in hooks:
            hook.remove()
        assert seen == [True, True]
