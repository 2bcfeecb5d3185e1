"""Define ``distribution``, a colorizer that predicts a probability for each color.

A shirt may be red or blue. A network that predicts one color returns the mean of both, which is brown; this one
predicts a probability for each bin of a grid over a and b, and a *style* then chooses the color.

* **Encoder**: a timm backbone (``features_only``), by default EfficientNet-Lite0 pretrained on ImageNet. Its first
  convolution is summed over RGB, and lightness is converted to the gray levels of its pretraining.
* **Decoder**: from stride 32 to stride 4, with skip connections; the features' global average is added at the top.
* **Output**: logits of the bins on a grid at a quarter of the input's side.
* **Upsampling**: each pixel of the input mixes the colors of the 3×3 grid cells around it. The weights of the mixture
  are predicted from the features and from the lightness at full resolution, so that colors end at edges.

References: Zhang et al., *Colorful Image Colorization* (bins, soft targets, annealed mean), arXiv:1603.08511; Tan and
Le, *EfficientNet*, arXiv:1905.11946; Menon et al., *Long-tail learning via logit adjustment* (prior correction),
arXiv:2007.07314; Teed and Deng, *RAFT* (upsampling by a convex combination), arXiv:2003.12039.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorlab import color
from colorlab.models.colorizer import Colorizer
from colorlab.models.hinting import CellHints, HintAttention
from colorlab.models.registry import register_colorizer

BIN_SIZE = 10.0
"""Side of a bin in Lab units."""

NEAREST = 5
SIGMA = 5.0
"""Standard deviation in Lab units of the Gaussian that weights the five nearest bins of a soft target."""

_REACH = 110

CELL = 4
"""Side in pixels of the cells for which probabilities are predicted."""

DEFAULT_BACKBONE = "tf_efficientnet_lite0"


@dataclass(frozen=True)
class Style:
    """A rule that chooses a color: the mean of ``softmax((logits - prior_correction · log prior) / T)``.

    Attributes:
        temperature: T; 1 gives the mean of the predicted distribution, less favors its likeliest color.
        prior_correction: how much of the prior, which favors dull colors, to remove; 0 none, 1 all.
        chroma: factor on the chosen a and b.
        seed: random seed that draws one of several plausible colorings; None for no randomness.
    """

    temperature: float = 1.0
    prior_correction: float = 0.0
    chroma: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"temperature must be positive, got {self.temperature}; 1 gives the mean color")
        if not 0 <= self.prior_correction <= 1:
            raise ValueError(f"prior_correction must lie in 0…1, got {self.prior_correction}")
        if not self.chroma >= 0:
            raise ValueError(f"chroma must be 0 (gray) or more, got {self.chroma}")


DEFAULT_STYLE = "balanced"
SAMPLE = "sample"
STYLES: dict[str, Style] = {
    "careful": Style(0.5, 0.0),
    DEFAULT_STYLE: Style(0.6, 0.2),
    "vivid": Style(0.6, 0.5),
    SAMPLE: Style(0.35, 0.25, seed=0),
}
"""The default styles; a weights file may replace them by styles chosen on validation images."""

# Standard deviation of the random field that a seed adds to the logits.
_SAMPLE_SPREAD = 1.2


def gamut_bins(size: float = BIN_SIZE) -> Tensor:
    """Return the centers (a, b) of the bins inside sRGB at some lightness: ``(bins, 2)`` in Lab units.

    Args:
        size: side of a bin in Lab units; bins are centered on its multiples, so one is centered on gray.
    """
    steps = torch.arange(-(110 // size) * size, 110 + size / 2, size)
    a, b = (grid.flatten() for grid in torch.meshgrid(steps, steps, indexing="ij"))
    lightness = torch.linspace(0, 100, 201)
    lab = torch.stack([lightness[:, None].expand(-1, len(a)), *(v.expand(len(lightness), -1) for v in (a, b))])
    inside = color.in_gamut(lab).any(dim=0)
    return torch.stack([a, b], dim=1)[inside]


class Answer(NamedTuple):
    """The decoder's output for images ``(N, 1, H, W)``, before a color is chosen.

    Attributes:
        logits: ``(N, bins, H/4, W/4)`` of the bins.
        mixture: ``(N, 9·16, H/4, W/4)`` logits of the mixture of cells for each pixel.
        features: ``(N, C, H/4, W/4)`` for the comparison of cells with hints.
    """

    logits: Tensor
    mixture: Tensor
    features: Tensor


@register_colorizer("distribution")
class DistributionColorizer(Colorizer):
    """A colorizer that predicts probabilities over colors with a pretrained encoder.

    Args:
        backbone: name of a timm model with features at strides 2 to 32, built without its weights
            (:meth:`load_imagenet` loads them).
    """

    stride = CELL
    smallest = 32
    working_size = 128

    def __init__(self, backbone: str = DEFAULT_BACKBONE) -> None:
        super().__init__()
        import timm  # takes a second, and only this network needs it

        if not timm.is_model(backbone):  # also stops a weights file from triggering a download
            raise ValueError(f"no backbone {backbone!r} in timm; timm.list_models() lists them")
        self.backbone = backbone
        self.style = STYLES[DEFAULT_STYLE]
        self.styles = dict(STYLES)
        self.encoder: Any = timm.create_model(backbone, features_only=True, in_chans=1, pretrained=False)
        reductions: list[int] = self.encoder.feature_info.reduction()
        if reductions != [2, 4, 8, 16, 32]:
            raise ValueError(
                f"backbone {backbone} has features at strides {reductions}; distribution needs 2, 4, 8, 16, 32"
            )
        c2, c4, c8, c16, c32 = self.encoder.feature_info.channels()
        bins = gamut_bins()
        self.bins: Tensor
        self.log_prior: Tensor
        self._neighbors: Tensor
        self.register_buffer("bins", bins)
        whole = torch.arange(-_REACH, _REACH + 1.0)
        colors = torch.stack(torch.meshgrid(whole, whole, indexing="ij"), dim=-1).flatten(0, 1)
        neighbors = torch.cdist(colors, bins).topk(NEAREST, dim=1, largest=False).indices
        self.register_buffer("_neighbors", neighbors.view(len(whole), -1, NEAREST), persistent=False)
        self.register_buffer("log_prior", torch.full((len(bins),), 1 / len(bins)).log())

        self.top = nn.Conv2d(c32, 256, kernel_size=1)
        self.summary = nn.Linear(c32, 256)
        self.up32 = _convolution(256, 192)
        self.up16 = _convolution(192 + c16, 160)
        self.up8 = _convolution(160 + c8, 128)
        self.up4 = nn.Sequential(_convolution(128 + c4 + CELL**2, 96), _convolution(96, 96))
        self.dropout = nn.Dropout2d(0.1)
        self.to_logits = nn.Conv2d(96, len(bins), kernel_size=1)
        # Half-size features and lightness as channels of their cell show edges within a cell.
        self.mixing = nn.Sequential(
            _convolution(96 + CELL * c2 + CELL**2, 64), nn.Conv2d(64, 9 * CELL**2, kernel_size=1)
        )

        self.hinting = HintAttention(128 + 96 + CELL**2)

    def train(self, mode: bool = True) -> DistributionColorizer:
        """Set training mode, except for the encoder, whose batch norms keep their pretrained statistics."""
        super().train(mode)
        self.encoder.eval()
        return self

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:  # noqa: ANN401  as in torch
        """Load weights; older weights without hints leave the hint branch in its initial state, without effect."""
        if not any(key.startswith("hinting.") for key in state_dict):
            own = {key: tensor for key, tensor in self.state_dict().items() if key.startswith("hinting.")}
            state_dict = {**state_dict, **own}
        return super().load_state_dict(state_dict, strict, assign)

    def encode(self, lightness: Tensor) -> list[Tensor]:
        """Return the encoder's features at strides 2, 4, 8, 16 and 32."""
        level = color.gray_level((lightness + 1) * color.LIGHTNESS_CENTER)
        features: list[Tensor] = self.encoder((level * 255 - 127) / 128)
        return features

    def decode(self, lightness: Tensor, features: list[Tensor]) -> Answer:
        """Decode the features that :meth:`encode` returned."""
        f2, f4, f8, f16, f32 = features
        cells = F.pixel_unshuffle(lightness, CELL).to(f2.dtype)
        x = self.dropout(self.top(f32) + self.summary(f32.mean(dim=(2, 3)))[:, :, None, None])
        x = _double(self.up32(x), f16)
        x = _double(self.up16(torch.cat([x, f16], dim=1)), f8)
        coarse = _double(self.up8(torch.cat([x, f8], dim=1)), f4)
        x = self.up4(torch.cat([coarse, f4, cells], dim=1))
        mixture = self.mixing(torch.cat([x, F.pixel_unshuffle(f2, 2), cells], dim=1))
        return Answer(self.to_logits(self.dropout(x)), mixture, torch.cat([coarse, x, cells], dim=1))

    def answer(self, lightness: Tensor) -> Answer:
        """Encode and decode images, for objectives."""
        return self.decode(lightness, self.encode(lightness))

    def both_ways(self, lightness: Tensor) -> Answer:
        """Return :meth:`answer`, in ``eval()`` mode with logits averaged over the image and its mirror image."""
        if self.training:
            return self.answer(lightness)
        both = self.answer(torch.cat([lightness, lightness.flip(-1)]))
        image, mirrored = both.logits.chunk(2)
        n = len(lightness)
        return Answer((image + mirrored.flip(-1)) / 2, both.mixture[:n], both.features[:n])

    def freeze(self, stride: int) -> None:
        """Freeze the encoder's layers up to the features of ``stride``; 0 freezes none."""
        info = self.encoder.feature_info
        names = list(dict(self.encoder.named_parameters()))
        last = 0
        for module, reduction in zip(info.module_name(), info.reduction(), strict=True):
            if reduction <= stride:
                last = max([last, *(i + 1 for i, name in enumerate(names) if name.startswith(f"{module}."))])
        for i, parameter in enumerate(self.encoder.parameters()):
            parameter.requires_grad_(i >= last)

    def forward(self, lightness: Tensor, style: Style | None = None, hints: CellHints | None = None) -> Tensor:
        """Return a and b, ``(N, 2, H, W)`` in network units.

        Args:
            lightness: ``(N, 1, H, W)`` in [-1, 1].
            style: how colors are chosen; by default the model's own.
            hints: known colors of cells of 4×4 pixels.
        """
        self.check_input(lightness)
        return self.chosen_color(self.both_ways(lightness), style, hints)

    def predict(self, lightness: Tensor, style: Style | None = None) -> Tensor:
        """Return the color that a style, by default the model's own, chooses, ``(N, 2, H, W)`` in network units."""
        return self.chosen_color(self.both_ways(lightness), style)

    def chosen_color(self, answer: Answer, style: Style | None = None, hints: CellHints | None = None) -> Tensor:
        """Return the color, in network units, that a style chooses from the decoder's output, corrected by hints."""
        ab = self.choose(answer.logits.float(), style or self.style)
        if hints is not None:
            ab = self.hinting(answer.features.float(), ab, hints)
        return mixed(ab, answer.mixture) / color.AB_SCALE

    def distribution(self, lightness: Tensor, style: Style | None = None) -> Tensor:
        """Return the probability of each bin at each cell: ``(N, bins, H/4, W/4)``, summing to 1 over the bins.

        Args:
            lightness: as in :meth:`forward`.
            style: whose temperature and prior correction apply; None for the unmodified prediction.
        """
        self.check_input(lightness)
        return self.tempered(self.both_ways(lightness).logits.float(), style or Style()).softmax(dim=1)

    def tempered(self, logits: Tensor, style: Style) -> Tensor:
        """Apply prior correction, the random field of a seed, and temperature to logits."""
        logits = logits - style.prior_correction * self.log_prior[:, None, None]
        if style.seed is not None:
            logits = logits + _SAMPLE_SPREAD * smooth_field(logits, self.bins, style.seed)
        return logits / style.temperature

    def choose(self, logits: Tensor, style: Style) -> Tensor:
        """Return the mean color of the tempered probabilities: ``(N, 2, h, w)`` in Lab units."""
        # Bins last, which matches the memory layout of the logits: each softmax is over one contiguous row.
        probabilities = self.tempered(logits, style).movedim(1, -1).softmax(dim=-1)
        return style.chroma * (probabilities @ self.bins).movedim(-1, 1)

    def loss(self, answer: Answer, ab: Tensor) -> Tensor:
        """Return the cross entropy of the bins per cell plus the absolute error of the mixed mean color per pixel.

        Args:
            answer: from :meth:`answer`.
            ab: ``(N, 2, H, W)`` the true a and b in network units.

        Returns:
            A scalar: nats, plus Lab units / 20.
        """
        log_probability = answer.logits.movedim(1, -1).float().log_softmax(dim=-1)
        nearest, weight = self.soft_target(F.avg_pool2d(ab * color.AB_SCALE, CELL).movedim(1, -1))
        cross_entropy = -(log_probability.gather(-1, nearest) * weight).sum(dim=-1).mean()
        # The mixture is trained on colors, not on probabilities: 2 channels at full size instead of 226.
        mean = (log_probability.exp() @ self.bins).movedim(-1, 1)
        return cross_entropy + (mixed(mean, answer.mixture) - ab * color.AB_SCALE).abs().mean() / 20

    def soft_target(self, ab: Tensor) -> tuple[Tensor, Tensor]:
        """Return the nearest bins and their weights, both ``(…, 5)``, of colors ``(…, 2)`` in Lab units."""
        # The nearest bins are looked up for rounded a and b; the distances are exact.
        place = (ab.round().long() + _REACH).clamp(0, 2 * _REACH)
        nearest = self._neighbors[place[..., 0], place[..., 1]]
        distance = (self.bins[nearest] - ab[..., None, :]).square().sum(dim=-1)
        return nearest, (-distance / (2 * SIGMA**2)).softmax(dim=-1)

    @torch.no_grad()
    def load_imagenet(self, state: Mapping[str, Tensor]) -> None:
        """Load the weights of the RGB classifier into the encoder.

        Args:
            state: the tensors of the timm classifier of the same name, in its order (names do not matter).

        Raises:
            ValueError: the tensors are not those of that classifier.
        """
        import timm

        classifier = timm.create_model(self.backbone, pretrained=False).state_dict()
        if [t.shape for t in state.values()] != [t.shape for t in classifier.values()]:
            raise ValueError(f"state must hold the {len(classifier)} tensors of timm's {self.backbone}, in its order")
        own = self.encoder.state_dict()
        for key, tensor in zip(classifier, state.values(), strict=True):
            if key in own:
                # In a gray image red = green = blue, so the three kernels are summed.
                own[key].copy_(tensor.sum(dim=1, keepdim=True) if tensor.shape != own[key].shape else tensor)

    @torch.no_grad()
    def set_prior(self, prior: Tensor) -> None:
        """Store the frequency of each bin, ``(bins,)``, and initialize the output layer to predict it."""
        self.log_prior.copy_((prior / prior.sum()).clamp(min=1e-6).log())
        nn.init.normal_(self.to_logits.weight, std=1e-3)
        if self.to_logits.bias is not None:
            self.to_logits.bias.copy_(self.log_prior)


def mixed(cells: Tensor, mixture: Tensor) -> Tensor:
    """Upsample cells to pixels: each pixel is a convex combination of the 3×3 cells around it.

    Args:
        cells: ``(N, C, h, w)``.
        mixture: ``(N, 9·16, h, w)`` logits: of the 9 cells, for each of the 4×4 pixels of a cell.

    Returns:
        ``(N, C, 4h, 4w)``.
    """
    n, _, h, w = cells.shape
    # `unbind`, as the gradient of nine slices would be nine tensors of full size.
    weights = mixture.movedim(1, -1).float().reshape(n, h, w, 9, 1, CELL**2).softmax(dim=3).unbind(dim=3)
    padded = F.pad(cells, (1, 1, 1, 1), mode="replicate").movedim(1, -1)[..., None]
    pixels = cells.new_zeros(())
    for k, weight in enumerate(weights):
        down, right = divmod(k, 3)
        pixels = pixels + weight * padded[:, down : down + h, right : right + w]
    return F.pixel_shuffle(pixels.flatten(-2).movedim(-1, 1), CELL)


def smooth_field(logits: Tensor, bins: Tensor, seed: int) -> Tensor:
    """Return a random field of the shape of ``logits`` and sd 1, smooth over the image and over the colors.

    Independent noise in each cell would look like confetti; here neighbors and similar colors vary together.
    """
    n, _, h, w = logits.shape
    generator = torch.Generator().manual_seed(seed)
    waves = 8
    # Over the colors: random cosines with a wavelength of about 40 Lab units; over the image: 3×3 knots, upsampled.
    direction = torch.randn(waves, 2, generator=generator) * (2 * torch.pi / 80)
    phase = torch.rand(waves, generator=generator) * 2 * torch.pi
    colors = (2 / waves) ** 0.5 * torch.cos(bins.cpu() @ direction.T + phase)
    knots = torch.randn(n, waves, 3, 3, generator=generator)
    space = F.interpolate(knots, (h, w), mode="bicubic", align_corners=False)
    return torch.einsum("cv,nvhw->nchw", colors, space).to(logits)


def _double(x: Tensor, skip: Tensor) -> Tensor:
    """Double features to the size of a skip connection, which may be one row or column smaller."""
    height, width = skip.shape[-2:]
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)[..., :height, :width]


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
