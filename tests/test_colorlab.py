"""The project's own colorizer: a classifier's convolutions, which it can take over, and a way back to full size."""

import os
from pathlib import Path

import pytest
import torch
from torch import nn
from torchvision.models import squeezenet1_1

from colorlab.models import create_colorizer
from colorlab.models.colorlab import ColorlabColorizer

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)


def padded(features):
    """torchvision's convolutions with the padding that makes every size half of the one before."""
    features[0].padding = (1, 1)
    for pool in (2, 5, 8):
        features[pool] = nn.MaxPool2d(3, 2, padding=1)
    return features.eval()


@pytest.fixture(scope="module")
def taught():
    """A colorizer that took over a SqueezeNet's convolutions, and these."""
    torch.manual_seed(0)
    features = squeezenet1_1(weights=None).features
    model = create_colorizer("colorlab").eval()
    model.recognize_like(features.state_dict())
    return model, padded(features)


def test_it_sees_a_grey_picture_as_the_classifier_does(taught):
    model, features = taught
    grey = torch.rand(1, 1, 512, 512)
    ours = model.encoder(2 * grey - 1)
    theirs = features((grey.expand(-1, 3, -1, -1) - MEAN) / DEVIATION)
    assert ours.shape == (1, 512, 32, 32)
    # Outside the picture is black for one and the mean colour for the other: a narrow frame differs.
    torch.testing.assert_close(ours[..., 14:18, 14:18], theirs[..., 14:18, 14:18], rtol=1e-3, atol=1e-4)


def test_it_takes_over_only_a_squeezenet(taught):
    state = taught[1].state_dict()
    for wrong in (
        {},
        {**state, "0.weight": state["0.weight"][:, :1]},
        {k: v for k, v in state.items() if k[0] != "9"},
    ):
        with pytest.raises(ValueError, match="features must be the state of torchvision's squeezenet1_1"):
            create_colorizer("colorlab").recognize_like(wrong)


def test_colours_of_a_patch_depend_on_the_whole_picture(taught):
    model, _ = taught
    model.to_ab[-1].weight.data.normal_(generator=torch.Generator().manual_seed(0))
    picture = torch.zeros(1, 1, 512, 512)
    other = picture.clone()
    other[..., 448:, 448:] = 1
    with torch.no_grad():
        assert (model(picture) - model(other)).abs()[..., :64, :64].max() > 1e-4


def test_imagenet_fits():
    """The genuine weights, as torchvision publishes them."""
    if "COLORLAB_REAL_DATA" not in os.environ:
        pytest.skip("COLORLAB_REAL_DATA is not set; no ImageNet weights here")
    path = Path(os.environ["COLORLAB_REAL_DATA"]).parent / "weights" / "squeezenet1_1-features.pth"
    features = torch.load(path, weights_only=True)
    model = ColorlabColorizer()
    model.recognize_like(features)
    assert torch.equal(model.encoder[12].expand3x3.weight, features["12.expand3x3.weight"])
