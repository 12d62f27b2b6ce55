"""Write the golden files of this folder from torchvision's own model code: `python make.py [NAME ...]`.

Needs torch and torchvision's Python code (versions: README.md); the project itself never imports torchvision.
Costs are counted on the meta device; logits come from `seeded` weights, in float64, in eval mode.
"""

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

try:
    import torchvision
except RuntimeError:  # torchvision's compiled operators need not load here: declaring the two it registers is enough
    OPERATORS = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        OPERATORS.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    import torchvision
from torchvision import models
from torchvision.models import segmentation

HERE = Path(__file__).parent
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
Shapes = list[tuple[str, tuple[int, ...]]]  # state-dict keys, in order, with their shapes
Build = Callable[[], nn.Module]

PLAIN = [f"vgg{depth}{norm}" for norm in ("", "_bn") for depth in (11, 13, 16, 19)]
PLAIN += [f"resnet{depth}" for depth in (18, 34, 50, 101, 152)] + ["wide_resnet50_2", "wide_resnet101_2"]
PLAIN += ["resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d"]
PLAIN += [f"densenet{depth}" for depth in (121, 161, 169, 201)]
PLAIN += ["alexnet", "squeezenet1_0", "squeezenet1_1", "mobilenet_v2", "mnasnet1_0", "efficientnet_b0"]
PLAIN += ["regnet_x_400mf", "regnet_y_400mf", "shufflenet_v2_x1_0"]
INCEPTIONS = ("googlenet", "inception_v3")  # NAME without and NAME_aux with the auxiliary heads
STANDARD_SIZE = {"inception_v3": 299, "inception_v3_aux": 299, "deeplabv3_resnet50": 520, "fcn_resnet50": 520}  # or 224
# AlexNet and VGG at 224, the rest at 64, but: 139 leaves Inception's last maps 3 x 3, at 66 ceil_mode shows, and at 304
# the dilation of 36 reaches across the 38 x 38 map.
PROOF_SIZE = {
    "alexnet": 224,
    "inception_v3": 139,
    "inception_v3_aux": 139,
    "squeezenet1_1": 66,
    "deeplabv3_resnet50": 304,
}
COSTS_ONLY = {"shufflenet_v2_x1_0", "fcn_resnet50"}


def hashed(entry: int, count: int) -> np.ndarray:
    """`count` numbers in [-1, 1) from an integer hash of entry and position, modulo 2^32, so exact in any library."""
    bits = np.arange(1, count + 1, dtype=np.uint32) * np.uint32(0x9E3779B1)
    bits += np.uint32((entry + 1) * 0x85EBCA77 % 2**32)
    for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39), (15, 1)):
        bits = (bits ^ bits >> np.uint32(shift)) * np.uint32(factor)
    return bits / 2.0**31 - 1.0


def seeded(keys_and_shapes: Iterable[tuple[str, tuple[int, ...]]]) -> dict[str, np.ndarray]:
    """Weights by rule: u = hashed(i, numel) for entry i (from 0) of the state dict, C order, then by kind as below."""
    state = {}
    for entry, (key, shape) in enumerate(keys_and_shapes):
        count = math.prod(shape)
        u = hashed(entry, count)
        if len(shape) > 1:
            value = u * math.sqrt(6.0 / (count // shape[0]))  # variance 2 / fan_in
        elif key.endswith("running_var"):
            value = 1.0 + 0.5 * np.abs(u)
        elif key.endswith("weight"):
            value = 1.0 + 0.1 * u
        else:
            value = 0.1 * u  # biases and running means
        state[key] = np.zeros((), np.int64) if key.endswith("num_batches_tracked") else value.reshape(shape)
    return state


def image(size: int) -> torch.Tensor:
    """cos(0.37 j), j from 0 over the flattened 1 x 3 x size x size."""
    return torch.from_numpy(np.cos(0.37 * np.arange(3 * size * size, dtype=np.float64))).reshape(1, 3, size, size)


def fold(pairs: Shapes) -> list[str]:
    """`KEY 64x3x7x7` a line; the five entries of a batch norm in one: `KEY norm 64`."""
    lines: list[str] = []
    rest = list(pairs)
    while rest:
        stem, _, last = rest[0][0].rpartition(".")
        if [key for key, _ in rest[:5]] == [f"{stem}.{leaf}" for leaf in NORM]:
            lines.append(f"{stem} norm {rest[0][1][0]}")
            rest = rest[5:]
        else:
            lines.append(f"{stem}.{last} {'x'.join(map(str, rest[0][1]))}")
            rest = rest[1:]
    return lines


def unfold(lines: Iterable[str]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """The state-dict keys, in order, with their shapes: the inverse of `fold`."""
    for line in lines:
        key, *norm, extent = line.split()
        shape = tuple(map(int, extent.split("x")))
        if norm:
            yield from ((f"{key}.{leaf}", shape if leaf != "num_batches_tracked" else ()) for leaf in NORM)
        else:
            yield key, shape


def builders() -> dict[str, Build]:
    def plain(name: str, **options: object) -> Build:
        return lambda: getattr(models, name)(weights=None, **options)

    def segmenter(name: str) -> Build:
        return lambda: getattr(segmentation, name)(weights=None, weights_backbone=None, aux_loss=None)

    table = {name: plain(name) for name in PLAIN}
    for name in INCEPTIONS:
        for end, aux in (("", False), ("_aux", True)):
            table[name + end] = plain(name, aux_logits=aux, transform_input=False, init_weights=False)
    table |= {"mobilenet_v2_050": plain("mobilenet_v2", width_mult=0.5)}
    table |= {"mobilenet_v2_075": plain("mobilenet_v2", width_mult=0.75)}
    return table | {name: segmenter(name) for name in ("deeplabv3_resnet50", "fcn_resnet50")}


def single(output: object) -> torch.Tensor:
    """The main output: auxiliary ones stand behind it in a named tuple, a segmenter's is called `out`."""
    if isinstance(output, dict):
        return output["out"]
    return output if isinstance(output, torch.Tensor) else output[0]


def count(net: nn.Module, size: int, batch: int) -> tuple[int, list[int]]:
    """Multiply-adds of convolutions and linear layers for one image (no biases), and the output's shape."""
    macs: list[int] = []

    def note(module: nn.Module, _: object, out: torch.Tensor) -> None:
        macs.append(out.numel() // batch * module.weight[0].numel())

    layers = [module for module in net.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(note) for layer in layers]
    output = single(net(torch.empty(batch, 3, size, size, device="meta")))
    for hook in hooks:
        hook.remove()
    return sum(macs), list(output.shape)


def proof(net: nn.Module, pairs: Shapes, size: int) -> dict[str, object]:
    """What the seeded network answers to `image(size)`, flattened."""
    state = net.state_dict()  # carries the metadata that mnasnet looks for
    state.update((key, torch.from_numpy(value)) for key, value in seeded(pairs).items())
    net.load_state_dict(state, assign=True)
    with torch.no_grad():
        out = single(net(image(size)))
    flat = out.flatten()
    numbers = {"first": flat[:10].tolist(), "sum": flat.sum().item(), "mean_square": flat.square().mean().item()}
    if out.dim() == 2:  # an upsampled map repeats its border, so its largest value may be tied
        numbers["argmax"] = int(flat.argmax())
    return {"input": [1, 3, size, size], "output": list(out.shape), **numbers}


def golden(name: str, build: Build) -> dict[str, object]:
    net = build().eval().to("meta")
    pairs = [(key, tuple(value.shape)) for key, value in net.state_dict().items()]
    lines = fold(pairs)
    assert list(unfold(lines)) == pairs, f"{name}: the folded keys do not unfold"
    size = STANDARD_SIZE.get(name, 224)
    macs, output = count(net, size, 1)
    record: dict[str, object] = {"name": name, "torchvision": torchvision.__version__, "torch": torch.__version__}
    record |= {"input": [1, 3, size, size], "output": output, "params": sum(p.numel() for p in net.parameters())}
    record |= {"macs": macs}
    if name.endswith("_aux"):  # the heads run in training only; two images, for their batch norms
        record["macs_training"] = count(net.train(), size, 2)[0]
        net.eval()
    if name not in COSTS_ONLY:
        record["logits"] = proof(net, pairs, PROOF_SIZE.get(name, 224 if name.startswith("vgg") else 64))
    return record | {"keys": lines}


def write(record: dict[str, object]) -> None:
    """One line a field, then one line a key."""
    *fields, keys = record.items()
    head = "".join(f" {json.dumps(field)}: {json.dumps(value)},\n" for field, value in fields)
    body = ",\n".join(f"  {json.dumps(line)}" for line in keys[1])
    (HERE / f"{record['name']}.json").write_text(f'{{\n{head} "keys": [\n{body}\n ]\n}}\n')


def main(names: list[str]) -> None:
    print(f"torch {torch.__version__}, torchvision {torchvision.__version__}, numpy {np.__version__}")
    table = builders()
    for name in names or table:
        record = golden(name, table[name])
        write(record)
        print(f"{name:20} {record['params']:>12,} {record['macs']:>16,}")


if __name__ == "__main__":
    main(sys.argv[1:])
