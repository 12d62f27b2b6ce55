"""The search of `studies/examples/search-digits.yaml` as a user of stock Ray Tune, Optuna and PyTorch would write it.

The same data split, space, limits, optimizer, schedule, pruning and number of trained trials, two at a time. Tune has
no way to turn a proposal down, so a network over a limit reports the worst value at once and ends.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

EPOCHS, BATCH, MAX_PARAMS, MAX_MACS = 8, 64, 60_000, 2_000_000
SPACE = {
    "block": tune.choice(["plain", "residual"]),
    "depth": tune.randint(1, 5),
    "width": tune.qrandint(8, 64, 8),
    "kernel": tune.choice([3, 5]),
    "place": tune.choice(["before_activation", "after_activation", "none"]),
    "lr": tune.loguniform(1e-3, 3e-1),
}

Config = dict[str, Any]
Data = dict[str, tuple[Tensor, Tensor]]


# ---- the network ---------------------------------------------------------------------------------------------------


def unit(inputs: int, width: int, kernel: int, place: str, activation: bool = True) -> list[nn.Module]:
    """A convolution with its batch norm and ReLU."""
    conv = nn.Conv2d(inputs, width, kernel, padding="same", bias=place != "before_activation")
    norm = [] if place == "none" else [nn.BatchNorm2d(width)]
    relu = [nn.ReLU()] if activation else []
    return [conv, *norm, *relu] if place == "before_activation" else [conv, *relu, *norm]


class Block(nn.Module):
    """A basic residual block with a 1x1 projection where the width changes."""

    def __init__(self, inputs: int, width: int, kernel: int, place: str) -> None:
        super().__init__()
        second = unit(width, width, kernel, place, activation=place == "after_activation")
        self.body = nn.Sequential(*unit(inputs, width, kernel, place), *second)
        self.shortcut: nn.Module = nn.Identity()
        if inputs != width:
            norm = [] if place == "none" else [nn.BatchNorm2d(width)]
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, width, 1, bias=not norm), *norm)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.body(x) + self.shortcut(x))


def network(config: Config) -> nn.Sequential:
    """Two stages, a max pool between them, global average pooling and a linear layer."""
    layers: list[nn.Module] = []
    inputs = 1
    for stage, width in enumerate((config["width"], 2 * config["width"])):
        for _ in range(config["depth"]):
            plain = config["block"] == "plain"
            args = (inputs, width, config["kernel"], config["place"])
            layers += unit(*args) if plain else [Block(*args)]
            inputs = width
        layers += [nn.MaxPool2d(2)] if stage == 0 else []
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))


def costs(model: nn.Module) -> tuple[int, int]:
    """Parameters and multiply-adds, the latter seen by hooks in a forward pass."""
    macs = 0

    def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
        nonlocal macs
        macs += module.weight.numel() * output[0, 0].numel()

    hooks = [m.register_forward_hook(count) for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        model.eval()(torch.zeros(1, 1, 8, 8))
    for hook in hooks:
        hook.remove()
    return sum(parameter.numel() for parameter in model.parameters()), macs


# ---- one trial -----------------------------------------------------------------------------------------------------


def train(config: Config, data: Data) -> None:
    """Train a network, reporting after each epoch."""
    torch.manual_seed(7)
    model = network(config)
    params, macs = costs(model)
    if params > MAX_PARAMS or macs > MAX_MACS:
        tune.report({"val_accuracy": 0.0, "epoch": 1, "trained": False})
        return
    train_loader = DataLoader(TensorDataset(*data["train"]), batch_size=BATCH, shuffle=True)
    val_loader = DataLoader(TensorDataset(*data["validation"]), batch_size=256)
    optimizer = torch.optim.SGD(model.parameters(), config["lr"], momentum=0.9, nesterov=True, weight_decay=5e-4)
    steps = EPOCHS * len(train_loader)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config["lr"], steps, cycle_momentum=False)
    for epoch in range(1, EPOCHS + 1):
        model.train()
        for x, y in train_loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            schedule.step()
        tune.report({"val_accuracy": accuracy(model, val_loader), "epoch": epoch, "trained": True})


@torch.no_grad()
def accuracy(model: nn.Module, loader: DataLoader[tuple[Tensor, ...]]) -> float:
    """The fraction of right answers."""
    model.eval()
    right = sum(int((model(x).argmax(1) == y).sum()) for x, y in loader)
    return right / len(loader.dataset)  # type: ignore[arg-type]


# ---- the search ----------------------------------------------------------------------------------------------------


class Watch(tune.Callback):
    """What is done until `trials` networks were trained; whatever is under way then does not count."""

    def __init__(self, trials: int) -> None:
        self.trials, self.first, self.last = trials, 0.0, 0.0
        self.proposals = self.trained = self.epochs = 0
        self.best = 0.0

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        if self.trained == self.trials:
            return
        told, self.last = trial.last_result, time.time()
        self.proposals += 1
        if told["trained"]:
            self.first = self.first or self.last
            self.trained, self.epochs = self.trained + 1, self.epochs + told["epoch"]
            self.best = max(self.best, told["val_accuracy"])


class Enough(tune.Stopper):
    """Stop once enough networks were trained."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.watch.trained == self.watch.trials


def search(trials: int, parallel: int, reuse_actors: bool, began: float) -> dict[str, float]:
    """Run the search into the current folder; what it took since `began` (unix seconds)."""
    from worker.data import load
    from worker.datasource import DataSpec

    splits = load(DataSpec(source="digits"), "classification")
    parts = {"train": splits.train, "validation": splits.validation}
    data = {name: next(part.in_order(len(part))) for name, part in parts.items()}
    watch = Watch(trials)
    tune.Tuner(
        tune.with_resources(tune.with_parameters(train, data=data), {"cpu": 1}),
        param_space=SPACE,
        tune_config=tune.TuneConfig(
            metric="val_accuracy",
            mode="max",
            search_alg=OptunaSearch(seed=7),
            scheduler=ASHAScheduler(time_attr="epoch", max_t=EPOCHS, grace_period=2, reduction_factor=3),
            num_samples=-1,
            max_concurrent_trials=parallel,
            reuse_actors=reuse_actors,
        ),
        run_config=tune.RunConfig(
            storage_path=str(Path("stock").absolute()), callbacks=[watch], stop=Enough(watch), verbose=0
        ),
    ).fit()
    return {
        "seconds": watch.last - began,
        "seconds_after_start": watch.last - watch.first,
        "trained": watch.trained,
        "proposals": watch.proposals,
        "epochs": watch.epochs,
        "best": watch.best,
    }
