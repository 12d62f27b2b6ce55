"""The two loops that our trainer is measured against, each as a generator: one value of `Told` per epoch.

`hand` is the shortest loop that we can write for the very same work: the same network and first weights, the same
batches out of the same tensors, channels_last, one fused or foreach kernel. It keeps nothing and says little.
`loader` is the loop of most tutorials: a Dataset of single pictures, a DataLoader with two workers, `.item()` in every
step, torch's own memory layout.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from searchspace.core import Network
from worker import build
from worker.data import Held
from worker.recipe import Progress, Recipe
from worker.training.initial import initialize

Told = dict[str, float]
EVALUATED = 256


def fresh(network: Network, seed: int, device: torch.device, channels_last: bool = True) -> nn.Module:
    """The network with the first weights that our trainer gives it."""
    model = build.module(network)
    initialize(model, seed)
    return model.to(device, memory_format=torch.channels_last if channels_last else torch.contiguous_format)


def sgd(model: nn.Module, recipe: Recipe, **how: bool) -> torch.optim.Optimizer:
    """The recipe's optimizer, which must be SGD."""
    it = recipe.optimizer
    assert it.kind == "sgd"
    assert it.lr != "auto"
    return torch.optim.SGD(model.parameters(), it.lr, it.momentum, 0.0, it.weight_decay, it.nesterov, **how)


def hand(
    network: Network, recipe: Recipe, train: Held, validation: Held, seed: int, how: str = "foreach"
) -> Iterator[Told]:
    """`how`: the kind of optimizer kernel, `foreach` or `fused`."""
    device, half = train.x.device, recipe.precision == "auto" and train.x.is_cuda
    model = fresh(network, seed, device)
    optimizer, batch = sgd(model, recipe, **{how: True}), recipe.batch(len(train))
    per_epoch = -(-len(train) // batch)
    steps, step = recipe.epochs * per_epoch, itertools.count()
    for epoch in range(1, recipe.epochs + 1):
        model.train()
        order = torch.randperm(len(train), generator=build.generator(seed, "order", epoch)).to(device)
        sums = torch.zeros(2, dtype=torch.float64, device=device)
        for index in order.split(batch):
            x, y = train.x[index], train.y[index]
            rate = recipe.schedule.factor(Progress(next(step), steps, per_epoch))
            optimizer.param_groups[0]["lr"] = float(recipe.optimizer.lr) * rate  # type: ignore[union-attr]
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                outputs = model(x)
            loss = functional.cross_entropy(outputs.float(), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            sums += torch.stack([loss.detach().double() * len(y), (outputs.argmax(1) == y).sum()])
        mean = (sums / len(train)).tolist()
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            told = evaluated(model, validation.x.split(EVALUATED), validation.y.split(EVALUATED))
        yield {"train_loss": mean[0], "train_accuracy": mean[1]} | told


@torch.inference_mode()
def evaluated(model: nn.Module, xs: tuple[Tensor, ...], ys: tuple[Tensor, ...]) -> Told:
    """Loss and accuracy over batches."""
    model.eval()
    sums, count = torch.zeros(2, dtype=torch.float64, device=xs[0].device), 0
    for x, y in zip(xs, ys, strict=True):
        outputs = model(x)
        loss = functional.cross_entropy(outputs, y, reduction="sum")
        sums += torch.stack([loss.double(), (outputs.argmax(1) == y).sum()])
        count += len(y)
    loss_mean, accuracy = (sums / count).tolist()
    return {"val_loss": loss_mean, "val_accuracy": accuracy}


class Pictures(Dataset[tuple[Tensor, int]]):
    """Pictures one by one, as torchvision's data sets give them: made float, scaled, channels first."""

    def __init__(self, x: np.ndarray, y: np.ndarray, mean: Tensor, std: Tensor) -> None:
        self.x, self.y, self.mean, self.std = x, y, mean[:, None, None], std[:, None, None]

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, number: int) -> tuple[Tensor, int]:
        x = torch.from_numpy(self.x[number]).permute(2, 0, 1).float()
        return (x - self.mean) / self.std, int(self.y[number])


def loader(network: Network, recipe: Recipe, train: Pictures, validation: Pictures, seed: int) -> Iterator[Told]:
    """As tutorials have it."""
    model = fresh(network, seed, torch.device("cpu"), channels_last=False)
    criterion, optimizer = nn.CrossEntropyLoss(), sgd(model, recipe)
    batches = DataLoader(train, batch_size=recipe.batch(len(train)), shuffle=True, num_workers=2)
    held_out = DataLoader(validation, batch_size=EVALUATED, num_workers=2)
    it = recipe.optimizer
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        float(it.lr),  # type: ignore[union-attr]
        recipe.epochs * len(batches),
        cycle_momentum=False,
    )
    for _ in range(recipe.epochs):
        model.train()
        total, right = 0.0, 0
        for x, y in batches:
            optimizer.zero_grad()
            outputs = model(x)
            loss = criterion(outputs, y)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(y)
            right += (outputs.argmax(1) == y).sum().item()
        model.eval()
        total_val, right_val = 0.0, 0
        with torch.no_grad():
            for x, y in held_out:
                outputs = model(x)
                total_val += criterion(outputs, y).item() * len(y)
                right_val += (outputs.argmax(1) == y).sum().item()
        yield {
            "train_loss": total / len(train),
            "train_accuracy": right / len(train),
            "val_loss": total_val / len(validation),
            "val_accuracy": right_val / len(validation),
        }
