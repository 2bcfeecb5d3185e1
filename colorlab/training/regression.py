"""Regression: one network, one error of a and b to make small."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from colorlab import color
from colorlab.training.distributed import Processes
from colorlab.training.learner import Learner, begin_colorizer, schedule
from colorlab.training.objectives import OBJECTIVES
from colorlab.training.options import TrainingOptions


class Regression(Learner):
    """AdamW on an objective of :mod:`colorlab.training.objectives`."""

    def __init__(self, options: TrainingOptions, processes: Processes, steps: int) -> None:
        super().__init__(options, processes)
        self.network = self.place(begin_colorizer(options))
        self.forward = self.callable_(self.network)
        self.objective = OBJECTIVES[options.loss]
        peak = options.learning_rate or 2e-3
        self.optimizer = torch.optim.AdamW(self.network.parameters(), peak, weight_decay=0.01, fused=True)
        name = "one-cycle" if options.schedule == "auto" else options.schedule
        self.schedule = schedule(self.optimizer, name, peak, steps)
        self.parts |= {"network": self.network, "optimizer": self.optimizer, "schedule": self.schedule}
        self.average: AveragedModel | None = None
        if options.ema > 0:
            averaging = get_ema_multi_avg_fn(options.ema)  # type: ignore[no-untyped-call]
            self.average = AveragedModel(self.network, multi_avg_fn=averaging, use_buffers=True)
            self.parts["average"] = self.average

    @property
    def model(self) -> nn.Module:
        """The colorizer; its averaged weights where there are some."""
        return self.network if self.average is None else self.average.module

    @property
    def learning_rate(self) -> float:
        """That of the next step."""
        return float(self.optimizer.param_groups[0]["lr"])

    def train_step(self, rgb: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """``loss``: the objective in network units."""
        self.optimizer.zero_grad()
        total = torch.zeros((), device=self.device)
        for part in self.parts_of(rgb):
            lightness, ab = self.pairs(part)
            with self.autocast:
                predicted: Tensor = self.forward(lightness)
            loss = self.objective(predicted.float(), ab) * (len(part) / len(rgb))
            self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.schedule.step()
        if self.average is not None:
            self.average.update_parameters(self.network)
        return {"loss": total}

    def scores(self, rgb: Tensor, labels: Tensor) -> Mapping[str, Tensor]:
        """``loss`` as in training; ``mae``, the mean of |Δa| and |Δb| in Lab units."""
        lightness, ab = self.pairs(rgb)
        with self.autocast:
            predicted: Tensor = self.model(lightness)
        predicted = predicted.float()
        return {"loss": self.objective(predicted, ab), "mae": (predicted - ab).abs().mean() * color.AB_SCALE}
