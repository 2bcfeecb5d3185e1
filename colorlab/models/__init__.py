"""Networks by name: colorizers (lightness to a and b), their discriminators, and classifiers (RGB to classes)."""

from __future__ import annotations

from colorlab.models.classifiers import CLASSIFIER_NAMES, Classifier, ClassifierName, create_classifier
from colorlab.models.colorizer import Colorizer, ConstantColor, colored, colored_lab
from colorlab.models.discriminator import Discriminator
from colorlab.models.distribution import DEFAULT_STYLE, SAMPLE, STYLES, DistributionColorizer, Style
from colorlab.models.names import (
    COLORIZER_NAMES,
    ColorizerName,
    create_colorizer,
    create_discriminator,
    has_discriminator,
)
from colorlab.models.weights import describe_weights, load_classifier, load_weights, save_weights

__all__ = [
    "CLASSIFIER_NAMES",
    "COLORIZER_NAMES",
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
    "save_weights",
]
