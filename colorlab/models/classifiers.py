"""Define classifiers that test whether objects in colorized images are still recognized (semantic interpretability).

References: Simonyan and Zisserman (VGG16), arXiv:1409.1556; Iandola et al. (SqueezeNet), arXiv:1602.07360; Zhang et
al., *Colorful Image Colorization*, arXiv:1603.08511, section 3.2.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import VGG16_Weights, squeezenet1_1, vgg16

from colorlab.registry import Name, Registry, accepted, recording

if TYPE_CHECKING:
    ClassifierName = str
else:

    class ClassifierName(Name):
        """The name of a registered classifier; the command line recognizes it by this type."""


# Mean and standard deviation of ImageNet's pixels, as torchvision's weights expect.
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Classifier(nn.Module, ABC):
    """A network from RGB to one logit per class.

    Args:
        classes: the names of the classes.
    """

    name: str = ""
    """The registered name, or empty (:func:`colorlab.register_classifier`)."""

    arguments: Mapping[str, Any] = MappingProxyType({})
    """The arguments of its constructor except the classes; a weights file stores them."""

    smallest: int = 32
    """Height and width must be at least this."""

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__()
        if len(classes) < 2:
            raise ValueError(f"a classifier needs at least 2 classes, got {len(classes)}: {', '.join(classes)}")
        self.classes = tuple(classes)
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(3, 1, 1), persistent=False)

    def forward(self, rgb: Tensor) -> Tensor:
        """Return logits ``(N, classes)`` for images ``(N, 3, H, W)``, uint8 or float in 0…1."""
        if rgb.dim() != 4 or rgb.shape[1] != 3 or min(rgb.shape[-2:]) < self.smallest:
            raise ValueError(
                f"{self.name} takes RGB as (N, 3, height, width), both at least {self.smallest}; "
                f"got {tuple(rgb.shape)}"
            )
        values = rgb.float() / 255 if rgb.dtype == torch.uint8 else rgb
        return self.classify((values - self.mean) / self.std)

    @abstractmethod
    def classify(self, values: Tensor) -> Tensor:
        """Return logits for normalized images; each architecture implements this."""


class ModuleClassifier(Classifier):
    """A classifier around any network from RGB to logits.

    Args:
        network: returns ``(N, classes)`` for ``(N, 3, H, W)``, normalized by the mean and standard deviation of
            ImageNet's pixels.
        classes: the names of the classes.
    """

    smallest = 1

    def __init__(self, network: nn.Module, classes: Sequence[str]) -> None:
        super().__init__(classes)
        self.network = network
        vars(self).update(vars(network).get("_classifier", {}))

    def classify(self, values: Tensor) -> Tensor:
        """Return the network's logits."""
        logits: Tensor = self.network(values)
        return logits


CLASSIFIERS: Registry[Callable[..., nn.Module]] = Registry("classifier")
"""The classifiers that can be trained, by name."""

Builder = TypeVar("Builder", bound=Callable[..., nn.Module])


def register_classifier(name: str) -> Callable[[Builder], Builder]:
    """Register a classifier by name, for the task ``classifier`` and for semantic interpretability.

    This decorates a class or function that takes ``classes``, the names of the classes, and returns an ``nn.Module``
    from RGB to logits: a :class:`Classifier`, or any other module, which receives pixels normalized by ImageNet's
    mean and standard deviation. Its other arguments are saved with its weights.

    Args:
        name: of the classifier.

    Raises:
        ValueError: another module uses the name.
    """

    def register(build: Builder) -> Builder:
        def note(network: nn.Module, arguments: dict[str, Any]) -> None:
            rest = {key: value for key, value in arguments.items() if key != "classes"}
            noted = {"name": name, "arguments": rest}
            vars(network).update(noted if isinstance(network, Classifier) else {"_classifier": noted})

        recorded = recording(build, note)
        CLASSIFIERS.add(name, recorded, build)
        return recorded

    return register


@register_classifier("vgg16")
class VGG16Classifier(Classifier):
    """VGG16 with a last layer for the given classes, designed for 224 pixels; accepts any size of at least 32.

    With ``pretrained``, the convolutions are frozen.

    Args:
        classes: the names of the classes.
        pretrained: start from torchvision's ImageNet weights (a download of 528 MB unless cached by torch hub).
    """

    def __init__(self, classes: Sequence[str], *, pretrained: bool = True) -> None:
        super().__init__(classes)
        weights = VGG16_Weights.IMAGENET1K_V1 if pretrained else None
        try:
            self.network = vgg16(weights=weights)
        except (URLError, OSError) as error:
            raise ValueError(
                f"VGG16's ImageNet weights cannot be downloaded ({error}); put "
                f"{VGG16_Weights.IMAGENET1K_V1.url} (528 MB) into {torch.hub.get_dir()}/checkpoints, or use the "
                "classifier `small`"
            ) from error
        self.network.classifier[-1] = nn.Linear(4096, len(classes))
        if pretrained:
            self.network.features.requires_grad_(False)

    def classify(self, values: Tensor) -> Tensor:
        """Return logits ``(N, classes)`` for normalized images ``(N, 3, H, W)``."""
        logits: Tensor = self.network(values)
        return logits


@register_classifier("small")
class SmallClassifier(Classifier):
    """A residual network of 1.0 million parameters that two CPU cores train at 32 pixels in minutes.

    A 3×3 convolution to 48 channels; two stages of 96 and 192 channels, each a convolution, max pooling and a
    residual block of two convolutions; global average pooling and one linear layer.
    """

    smallest = 8

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__(classes)
        layers: list[nn.Module] = [_convolution(3, 48)]
        for inputs, outputs in ((48, 96), (96, 192)):
            layers += [_convolution(inputs, outputs), nn.MaxPool2d(2), _Residual(outputs)]
        self.features = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.logits = nn.Linear(192, len(classes))

    def classify(self, values: Tensor) -> Tensor:
        """Return logits ``(N, classes)``; in ``eval()`` mode, averaged over an image and its mirror image.

        The class does not depend on left and right, so the average is more accurate.
        """
        logits: Tensor = self.logits(self.features(values))
        return logits if self.training else (logits + self.logits(self.features(values.flip(-1)))) / 2


@register_classifier("squeeze")
class SqueezeClassifier(Classifier):
    """SqueezeNet 1.1 with batch norm after each convolution, so that it trains from scratch at 64 pixels.

    Its convolutions, 0.7 million parameters, are those of LPIPS's trunk ``squeeze``: :meth:`trunk`.
    """

    smallest = 17

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__(classes)
        self.features = squeezenet1_1(weights=None).features
        for name, module in list(self.features.named_modules()):
            if isinstance(module, nn.Conv2d):
                normed = nn.Sequential(module, nn.BatchNorm2d(module.out_channels))
                self.features.set_submodule(name, normed)
        self.logits = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.3), nn.Linear(512, len(classes))
        )

    def classify(self, values: Tensor) -> Tensor:
        """Return logits ``(N, classes)`` for normalized images ``(N, 3, H, W)``."""
        logits: Tensor = self.logits(self.features(values))
        return logits

    def trunk(self) -> dict[str, Tensor]:
        """Return an equivalent state of torchvision's ``squeezenet1_1().features``, with batch norms folded in."""
        features = copy.deepcopy(self.features).eval()
        for name, module in list(features.named_modules()):
            match list(module.children()):
                case [nn.Conv2d() as convolution, nn.BatchNorm2d() as norm]:
                    features.set_submodule(name, fuse_conv_bn_eval(convolution, norm))
        state: dict[str, Tensor] = features.state_dict()
        return state


class _Residual(nn.Module):
    """A residual block: two convolutions whose result is added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_convolution(channels, channels), _convolution(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, of the shape of its input, ``(N, C, H, W)``."""
        body: Tensor = self.body(x)
        return x + body


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )


def create_classifier(name: str, classes: Sequence[str], **arguments: Any) -> Classifier:  # noqa: ANN401
    """Create a classifier for the named classes.

    Args:
        name: of a registered classifier (:data:`CLASSIFIERS`).
        classes: the names of the classes.
        arguments: of its constructor; ``pretrained`` is ignored for classifiers that do not take it.

    Raises:
        ValueError: the name is unknown, there are fewer than 2 classes, or weights cannot be downloaded.
    """
    build = CLASSIFIERS.find(name)
    if "pretrained" in arguments and not accepted(build, {"pretrained": None}):
        del arguments["pretrained"]
    network = build(classes=classes, **arguments)
    return network if isinstance(network, Classifier) else ModuleClassifier(network, classes)
