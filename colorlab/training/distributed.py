"""Train in several processes under ``torchrun``.

Every process holds the networks and computes the gradient of its share of each batch; DistributedDataParallel
averages the gradients. Batch norm depends on the other images of the batch, so the processes share its statistics
(:class:`GlobalBatchNorm2d`). Two processes then learn what one would from the same global batch.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class Processes:
    """This process among those that train together; a single process is rank 0 of 1."""

    rank: int = 0
    count: int = 1

    @property
    def writes(self) -> bool:
        """Return whether this process writes files and draws a progress bar; only the first does."""
        return self.rank == 0

    def total(self, value: Tensor) -> Tensor:
        """Return the sum of ``value`` over all processes."""
        if self.count > 1:
            dist.all_reduce(value)
        return value

    def any(self, condition: bool) -> bool:
        """Return, in all processes, whether the condition holds in at least one of them."""
        return bool(self.total(torch.tensor(float(condition))))

    def wait(self) -> None:
        """Wait until all processes get here."""
        if self.count > 1:
            dist.barrier()

    def share(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Wrap ``network`` so that its gradients are averaged over all processes."""
        if self.count == 1:
            return network
        ids = [device.index] if device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=ids)


@contextmanager
def processes(device: torch.device) -> Iterator[Processes]:
    """Join the processes that ``torchrun`` started, for the time of the block; without it, yield one process."""
    if "WORLD_SIZE" not in os.environ or int(os.environ["WORLD_SIZE"]) == 1:
        yield Processes()
        return
    joined_here = not dist.is_initialized()
    if joined_here:
        # nccl does not work on the CPU, where statistics and stop requests are shared.
        dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield Processes(dist.get_rank(), dist.get_world_size())
    finally:
        if joined_here:
            dist.destroy_process_group()


class _Sum(torch.autograd.Function):
    """Sum over all processes; the backward pass sums the gradients likewise."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:  # noqa: ANN401  autograd's own
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401
        total = gradient.contiguous().clone()
        dist.all_reduce(total)
        return total


class GlobalBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the batch of all processes; ``torch.nn.SyncBatchNorm`` does the same on GPUs only."""

    def forward(self, x: Tensor) -> Tensor:
        """Normalize ``(N, C, H, W)`` per channel over N, H, W of all processes."""
        if not self.training:
            return super().forward(x)
        values = x.float()
        moments = torch.stack([values.mean(dim=(0, 2, 3)), values.square().mean(dim=(0, 2, 3))])
        mean, square = _Sum.apply(moments) / dist.get_world_size()
        variance = square - mean.square()
        count = x.numel() // x.shape[1] * dist.get_world_size()
        with torch.no_grad():
            momentum = self.momentum if self.momentum is not None else 0.1
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            self.running_mean.lerp_(mean.detach(), momentum)
            self.running_var.lerp_(variance.detach() * count / (count - 1), momentum)
            self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()
        shift = self.bias - mean * scale
        return torch.addcmul(shift.view(1, -1, 1, 1), values, scale.view(1, -1, 1, 1)).to(x.dtype)


def with_global_batch_norm(network: Module) -> Module:
    """Turn the batch norms of a network into :class:`GlobalBatchNorm2d`, in place, and return it."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            # Only `forward` differs.
            module.__class__ = GlobalBatchNorm2d
    return network
