"""Create networks by name: colorizers (lightness to a and b), their discriminators, classifiers (RGB to classes)."""

from __future__ import annotations

# Menus and messages list the networks in this order.
from colorlab.models.resnet import ResNetColorizer as ResNetColorizer  # isort: skip
from colorlab.models import unet as unet, nazeri as nazeri, cgan as cgan  # isort: skip
from colorlab.models.classifiers import (
    CLASSIFIERS,
    Classifier,
    ClassifierName,
    create_classifier,
    register_classifier,
)
from colorlab.models.colorizer import Colorizer, ConstantColor, colored, colored_lab
from colorlab.models.discriminator import Discriminator
from colorlab.models.distribution import DEFAULT_STYLE, SAMPLE, STYLES, DistributionColorizer, Style
from colorlab.models.registry import (
    COLORIZERS,
    ColorizerName,
    Model,
    create_colorizer,
    create_discriminator,
    has_discriminator,
    name_of,
    register_colorizer,
    size_of,
)
from colorlab.models.weights import describe_weights, load_classifier, load_weights, save_weights

__all__ = [
    "CLASSIFIERS",
    "COLORIZERS",
    "DEFAULT_STYLE",
    "SAMPLE",
    "STYLES",
    "Classifier",
    "ClassifierName",
    "Colorizer",
    "ColorizerName",
    "ConstantColor",
    "Discriminator",
    "DistributionColorizer",
    "Model",
    "Style",
    "colored",
    "colored_lab",
    "create_classifier",
    "create_colorizer",
    "create_discriminator",
    "describe_weights",
    "has_discriminator",
    "load_classifier",
    "load_weights",
    "name_of",
    "register_classifier",
    "register_colorizer",
    "save_weights",
    "size_of",
]
