"""Train a colorizer by regression of color, or by classification of color bins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from colorlab import color
from colorlab.data import ImageDataset
from colorlab.models import Colorizer, DistributionColorizer, Style
from colorlab.models.distribution import Answer
from colorlab.training.augmentation import aged
from colorlab.training.distributed import Processes
from colorlab.training.feature_cache import FeatureCache
from colorlab.training.learner import ColorizerLearner, begin_colorizer, schedule
from colorlab.training.objectives import OBJECTIVES, find_objective
from colorlab.training.options import TrainingOptions
from colorlab.training.recognition import Recognition

_PRIOR_IMAGES = 2000


class _Answer(nn.Module):
    """Call a distribution colorizer for its logits, in the form that its loss takes."""

    def __init__(self, network: DistributionColorizer) -> None:
        super().__init__()
        self.network = network

    def forward(self, lightness: Tensor, features: list[Tensor] | None = None) -> Answer:
        return self.network.decode(lightness, self.network.encode(lightness) if features is None else features)


class Regression(ColorizerLearner):
    """Minimize an objective of :mod:`colorlab.training.objectives`, or the cross entropy of color bins, by AdamW.

    Args:
        options: of the run.
        processes: the processes that train together.
        steps: training steps of the whole run, for the schedule.
        trainset: a model of color bins counts the frequency of each bin in it, before the first training step.
    """

    def __init__(
        self, options: TrainingOptions, processes: Processes, steps: int, trainset: ImageDataset | None = None
    ) -> None:
        super().__init__(options, processes)
        network = begin_colorizer(options)
        classifies = isinstance(network, DistributionColorizer)
        if classifies and options.loss not in ("auto", "cross_entropy"):
            raise ValueError(f"loss must be auto or cross_entropy for {network.name}, got {options.loss!r}")
        if not classifies and options.loss == "cross_entropy":
            raise ValueError(
                f"loss cross_entropy needs a model of color bins, and {network.name} has none; choose from "
                + ", ".join(OBJECTIVES)
            )
        if isinstance(network, DistributionColorizer):
            network.freeze(options.frozen_stride)
            if options.learn_hints:
                if options.initial_weights is None and isinstance(options.model_name, str):
                    raise ValueError(
                        "learn_hints needs a trained network: give initial_weights, such as distribution"
                    )
                network.requires_grad_(False).hinting.requires_grad_(True)
            if options.initial_weights is None and trainset is not None:
                network.set_prior(_prior(network, trainset, options.seed))
        elif options.learn_hints:
            raise ValueError(
                f"learn_hints needs a model that takes hints, such as distribution; {network.name} does not"
            )
        elif options.frozen_stride or options.encoder_rate != TrainingOptions.encoder_rate:
            raise ValueError(f"frozen_stride and encoder_rate need a pretrained encoder; {network.name} has none")
        self.network: Colorizer = self.place(network)
        self.forward = self.callable_(self._trainable_module(self.network))
        self.objective = None if classifies else find_objective(options.loss)
        self.cache: FeatureCache | None = None
        if options.feature_cache is not None and isinstance(self.network, DistributionColorizer):
            self.network.encoder.eval()  # as it is in training too
            self.cache = FeatureCache(
                options.feature_cache,
                self.network.encode,
                list(self.network.encoder.state_dict().values()),
                torch.zeros(1, 1, options.size, options.size, device=self.device),
                options.crops * len(trainset or ()),
            )
        self.recognition_weight = options.recognition_weight
        self.recognition = self.place(Recognition()) if self.recognition_weight else None
        peak = options.learning_rate or 2e-3
        groups: dict[float, list[nn.Parameter]] = {}
        for name, parameter in self.network.named_parameters():
            if parameter.requires_grad:
                rate = peak * options.encoder_rate if classifies and name.startswith("encoder.") else peak
                groups.setdefault(rate, []).append(parameter)
        self.optimizer = torch.optim.AdamW(
            [{"params": parameters, "lr": rate} for rate, parameters in sorted(groups.items(), reverse=True)],
            peak,
            weight_decay=options.weight_decay,
            fused=True,
        )
        name = "one-cycle" if options.schedule == "auto" else options.schedule
        rates = [group["lr"] for group in self.optimizer.param_groups]
        self.schedule = schedule(self.optimizer, name, rates, steps)
        self.parts |= {"network": self.network, "optimizer": self.optimizer, "schedule": self.schedule}
        self.average: AveragedModel | None = None
        if options.ema > 0:
            averaging = get_ema_multi_avg_fn(options.ema)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(self.network, multi_avg_fn=averaging, use_buffers=True)
            self.parts["average"] = self.average

    @property
    def model(self) -> nn.Module:
        """Return the colorizer, with averaged weights if ``ema`` is set."""
        return self.network if self.average is None else self.average.module

    @property
    def learning_rate(self) -> float:
        """Return the learning rate of the next training step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def train_step(self, rgb: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Train on a batch and return ``loss``: the objective in network units, or the cross entropy in nats."""
        self.optimizer.zero_grad()
        total = torch.zeros((), device=self.device)
        for part in self.parts_of(rgb):
            loss = self.part_loss(part) * (len(part) / len(rgb))
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        return {"loss": total}

    def part_loss(self, part: Tensor) -> Tensor:
        """Return the loss of a batch or a part of it."""
        lightness, ab = self.pairs(part)
        with self.autocast:
            if self.cache is None:
                answer = self.forward(self.augment(lightness))
            else:
                answer = self.forward(lightness, self.cache.features(part, lightness))
        loss = self._loss(self.network, answer, ab)
        if self.recognition is not None:
            predicted = _color_of(self.network, answer)
            with self.autocast:
                loss = loss + self.recognition_weight * self.recognition(lightness, predicted, ab)
        return loss

    def augment(self, lightness: Tensor) -> Tensor:
        """Return the lightness that the network gets in training."""
        ages = cast("TrainingOptions", self.options).age_lightness
        return aged(lightness).contiguous(memory_format=self.layout) if ages else lightness

    def scores(self, rgb: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """Return ``loss`` as in training and ``mae``, the mean of |Δa| and |Δb| in Lab units."""
        lightness, ab = self.pairs(rgb)
        model = self.model
        with self.autocast:
            if isinstance(model, DistributionColorizer):
                answer = model.answer(lightness)
                predicted: Tensor = model.chosen_color(answer)
            else:
                answer = predicted = model(lightness)
        mae = (predicted.float() - ab).abs().mean() * color.AB_SCALE
        return {"loss": self._loss(model, answer, ab), "mae": mae}

    def _trainable_module(self, network: Colorizer) -> nn.Module:
        """Return the module to call for outputs with gradients."""
        return _Answer(network) if isinstance(network, DistributionColorizer) else network

    def _loss(self, network: nn.Module, answer: Tensor | Answer, ab: Tensor) -> Tensor:
        if self.objective is None:
            return cast("DistributionColorizer", network).loss(cast("Answer", answer), ab)
        return self.objective(cast("Tensor", answer).float(), ab)


def _color_of(network: Colorizer, answer: Tensor | Answer) -> Tensor:
    """Return the color to classify; of a distribution, in a random style."""
    if isinstance(network, DistributionColorizer):
        return network.chosen_color(cast("Answer", answer), random_style())
    return cast("Tensor", answer).float()


def random_style() -> Style:
    """Return a random style between careful and vivid."""
    temperature, prior_correction = torch.rand(2).tolist()
    return Style(0.7 + 0.3 * temperature, 0.5 * prior_correction)


@torch.no_grad()
def _prior(network: DistributionColorizer, trainset: ImageDataset, seed: int) -> Tensor:
    """Count each color bin in at most 2,000 training images."""
    count = torch.ones(len(network.bins))
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(trainset), generator=generator)[:_PRIOR_IMAGES]
    for some in chosen.chunk(20):
        rgb, _ = trainset.pick_for_training(some.tolist(), some.tolist())
        ab = color.split(color.rgb_to_lab(rgb))[1] * color.AB_SCALE
        nearest, weight = network.soft_target(nn.functional.avg_pool2d(ab, 4).movedim(1, -1))
        count.index_add_(0, nearest.flatten(), weight.flatten())
    return count
