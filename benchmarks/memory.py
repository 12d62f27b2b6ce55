"""Memory to train, predicted before torch is imported, against what one training step holds in torch's allocator.

Each network trains one batch at the input that it was published for, in a process of its own: forward, backward and a
step of SGD with momentum and decay, the second step of the optimizer. `predicted` is `searchspace.memory`'s
`train_peak`, in closed form; `allocator` is what torch's CPU allocator handed out at one time; `process` is how much
larger the process became, with what oneDNN and the system's allocator keep for themselves.

Wanted: within 20 % of the allocator. Measured 2026-11-21 on 2 cores of an AMD EPYC, load 2.1, Python 3.11.7, torch
2.13.0 (CPU); bytes do not depend on the load:

    network          batch  predicted MB  allocator MB  process MB  predicted / allocator
    lenet5              64           4.6           4.6       101.3                   1.00
    resnet20_cifar      64         101.5         101.5       225.1                   1.00
    wrn_16_4            16          88.3          92.9       210.3                   0.95
    alexnet              8         760.8         764.9       873.5                   0.99
    vgg11                4        1779.2        1796.5      1833.3                   0.99
    googlenet            8         445.7         449.0       592.4                   0.99
    squeezenet1_0        8         306.9         306.9       448.0                   1.00
    resnet18             8         303.4         318.4       465.1                   0.95
    resnet50             4         606.0         623.2       761.4                   0.97
    densenet121          4         591.6         591.6       733.1                   1.00
    mobilenet_v2         8         663.0         663.0       832.7                   1.00
    efficientnet_b0      4         402.9         425.2       529.0                   0.95

What the prediction leaves out: copies of one convolution's weights and of their gradient in oneDNN's own layout, twice
the weights of the layer at work (18.9 MB of a 512 to 512 convolution of 3x3, measured), which the last layers of a
ResNet show; and in `process` about 95 MB of code that the first training loads, and what malloc keeps.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import torch
from support.sides import machine, table
from torch import Tensor, nn
from torch.nn import functional

from searchspace.core import Network
from searchspace.memory import memory
from searchspace.zoo import networks
from worker import build
from worker.layers import Auxiliary
from worker.measuring import resources
from worker.recipe.optimizers import Sgd
from worker.training import optimizers

BATCHES = {
    "lenet5": 64,
    "resnet20_cifar": 64,
    "wrn_16_4": 16,
    "alexnet": 8,
    "vgg11": 4,
    "googlenet": 8,
    "squeezenet1_0": 8,
    "resnet18": 8,
    "resnet50": 4,
    "densenet121": 4,
    "mobilenet_v2": 8,
    "efficientnet_b0": 4,
}
MB = 1e6


def main() -> None:
    """One process per network, and a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", help="measure this one here, and write its bytes as JSON")
    parser.add_argument("--batch", type=int, help="examples in the batch")
    parser.add_argument("--times", type=int, default=1, help="multiply all batches (default: 1)")
    asked = parser.parse_args()
    if asked.network:
        print(json.dumps(measured(networks.network(asked.network), asked.batch or BATCHES[asked.network])))
        return
    rows = [row(name, batch * asked.times) for name, batch in BATCHES.items()]
    print(f"{machine()}\n")
    print(table(("network", "batch", "predicted MB", "allocator MB", "process MB", "predicted / allocator"), *rows))


def row(name: str, batch: int) -> tuple[str, ...]:
    """A network's line, measured by a fresh process."""
    command = [sys.executable, __file__, "--network", name, "--batch", str(batch)]
    told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    share = told["predicted"] / told["allocator"]
    figures = (f"{told[key] / MB:.1f}" for key in ("predicted", "allocator", "process"))
    return name, str(batch), *figures, f"{share:.2f}"


def measured(network: Network, batch: int) -> dict[str, int]:
    """Bytes predicted, held by torch's allocator at the peak of a step, and that the process grew by."""
    torch.set_num_threads(1)
    functional.conv2d(torch.ones(1, 1, 8, 8), torch.ones(1, 1, 3, 3))  # loads what any network needs
    before = reset_peak()
    model = build.module(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = optimizers.make(model, Sgd(), 1e-4, fused=True)
    x = torch.randn(batch, *network.input).contiguous(memory_format=torch.channels_last)
    y = torch.zeros(batch, dtype=torch.int64)
    optimizers.step(optimizer, closure(model, optimizer, x, y))
    grown = peak() - before
    found = resources.one_step(model, optimizer, lambda model, twin: closure(model, twin, x, y), x.nbytes)
    return {"predicted": memory(network, batch).train_peak, "allocator": found["peak_bytes"], "process": grown}


def closure(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> resources.Closure:
    """The loss and its gradients, auxiliary classifiers included."""

    def compute() -> Tensor:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(x), y)
        for layer in model.modules():
            if isinstance(layer, Auxiliary) and layer.output is not None:
                loss = loss + layer.weight * functional.cross_entropy(layer.output, y)
                layer.output = None
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    return compute


def reset_peak() -> int:
    """Forget the process's peak so far; its size now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return status("VmRSS")


def peak() -> int:
    """The largest size that the process had."""
    return status("VmHWM")


def status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(name))


if __name__ == "__main__":
    main()
