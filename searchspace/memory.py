"""What a network's training and inference hold in memory, counted in closed form. No torch.

In training, autograd keeps for the backward pass what each layer's gradient needs (`kept`): the input of whatever has
weights, the output of a ReLU, the mask of a dropout. `train_peak` follows the backward pass layer by layer, with the
gradients of maps and weights. Not counted is what the loss and a kernel need while they are at work, such as oneDNN's
own copies of a convolution's weights; benchmarks/memory.py compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

from searchspace.core import (
    Auxiliary,
    Dropout,
    Flatten,
    GlobalPool,
    Network,
    Node,
    Norm,
    Parallel,
    Pool,
    Primitive,
    Prototypes,
    Select,
    Sequence,
    Within,
)
from searchspace.cost import Layer, trace
from searchspace.kept import ALIASES, Keeper, Tensor
from searchspace.language.problems import nearest

OPTIMIZERS: Mapping[str, int] = {
    "sgd": 0,
    "sgd_momentum": 1,
    "adam": 2,
    "adamw": 2,
    "adagrad": 1,
    "rmsprop": 1,
    "rmsprop_momentum": 2,
    "adadelta": 2,
}
"""Numbers that an optimizer remembers for each weight: none, the momentum, or the first and second moment."""
WORKING: Mapping[str, int] = {"rmsprop": 1, "rmsprop_momentum": 1, "adadelta": 2}
"""Numbers for each weight that a step works on besides, in torch's CPU allocator; fused kernels (of all the others)
work in place. Without them, SGD with decay and Adam would need 1, Adagrad 2."""
INDEX_BYTES = 8


class Row(NamedTuple):
    """The bytes that the backward pass keeps from the layer `name` on: those that no layer before it kept already."""

    name: str
    saved: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes for a batch. `rows` has one entry per layer of `trace`; they sum to `saved_activations`.

    `buffers` are running statistics, fixed patterns and the like; `pooling_indices` are a part of
    `saved_activations`. `inference_peak` is the largest sum of maps alive at one time: a layer's input and output, and
    what another branch or a merge still waits for. `backward_peak` is the most that the backward pass has at one time:
    what is kept and not used yet, the gradients of the maps at hand, and those of weights that are known so far.
    `working` is what a step of the optimizer needs besides. `waiting` is what lies beside each of several parts of a
    step: the gradients of those before it, and the inputs of the others.
    """

    weights: int
    buffers: int
    gradients: int
    optimizer_state: int
    saved_activations: int
    pooling_indices: int
    inference_peak: int
    rows: tuple[Row, ...]
    backward_peak: int
    working: int
    waiting: int = 0

    @property
    def train_bytes(self) -> int:
        """All that is held when the backward pass starts, and the gradients of the weights."""
        return self.weights + self.buffers + self.gradients + self.optimizer_state + self.saved_activations

    @property
    def train_peak(self) -> int:
        """The most that a training step holds: in its backward pass, or in the optimizer, when maps are gone again."""
        held = self.weights + self.buffers + self.optimizer_state
        return held + max(self.backward_peak + self.waiting, self.gradients + self.working)

    @property
    def infer_bytes(self) -> int:
        """All that is held at the inference's peak."""
        return self.weights + self.buffers + self.inference_peak


def memory(
    network: Network,
    batch: int,
    optimizer: str = "sgd_momentum",
    value_bytes: int = 4,
    parts: int = 1,
    layers: tuple[Layer, ...] | None = None,
) -> Memory:
    """The memory for batches of `batch` examples with numbers of `value_bytes`, each computed in so many parts.

    `layers` are the network's, where they are traced already.
    """
    size = -(-batch // parts)
    found = of_trace(network, layers or trace(network), size, optimizer, value_bytes)
    rest = value_bytes * prod(network.input) * (batch - size)
    return found if parts == 1 else replace(found, waiting=found.gradients + rest)


def of_trace(
    network: Network,
    layers: tuple[Layer, ...],
    batch: int,
    optimizer: str = "sgd_momentum",
    value_bytes: int = 4,
) -> Memory:
    """The same, for a network whose layers are traced already."""
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer: unknown {optimizer!r}{nearest(optimizer, OPTIMIZERS)}")
    weights = value_bytes * sum(layer.params for layer in layers)
    rows, indices = saved(network, layers, batch, value_bytes)
    return Memory(
        weights,
        sum(_buffers(layer, value_bytes) for layer in layers),
        weights,
        OPTIMIZERS[optimizer] * weights,
        sum(row.saved for row in rows),
        indices * batch * INDEX_BYTES,
        batch * _peak(network, layers, value_bytes),
        rows,
        _Backward(network, layers, rows, batch * value_bytes, value_bytes).peak,
        WORKING.get(optimizer, 0) * weights,
    )


def remembered(kind: str, momentum: float) -> str | None:
    """Which of `OPTIMIZERS` a recipe's optimizer is, by its kind; None of one whose memory is not counted (L-BFGS)."""
    name = f"{kind}_momentum" if momentum and kind in ("sgd", "rmsprop") else kind
    return name if name in OPTIMIZERS else None


def saved(network: Network, layers: tuple[Layer, ...], batch: int, value_bytes: int) -> tuple[tuple[Row, ...], int]:
    """What the backward pass keeps, layer by layer, and how many pooling indices are among it per example."""
    keeper = Keeper(iter(layers))
    keeper.walk(network.root, Tensor(prod(network.input), False))
    rows, places = [], 0
    for layer in layers:
        found = keeper.kept.get(layer.name)
        if not found:
            rows.append(Row(layer.name, 0))
            continue
        tensors, values, indices, flags, fixed = found
        for tensor in tensors:
            values += tensor.values
        places += indices
        size = value_bytes * (batch * values + fixed) + batch * (INDEX_BYTES * indices + flags)
        rows.append(Row(layer.name, size))
    return tuple(rows), places


def _peak(network: Network, layers: tuple[Layer, ...], value_bytes: int) -> int:
    """The bytes for one example: sizes of tensors are bytes here."""
    walk = _Peak(iter([layer for layer in layers if not layer.side]), value_bytes)
    walk.pass_through(network.root, Tensor(value_bytes * prod(network.input), False), ())
    return walk.peak


class _Peak:
    """An inference pass: the most that is alive at one time, every tensor let go once its last reader is done."""

    def __init__(self, layers: Iterator[Layer], value_bytes: int) -> None:
        self.layers = layers
        self.value_bytes = value_bytes
        self.peak = 0

    def pass_through(self, node: Node, x: Tensor, held: tuple[Tensor, ...]) -> Tensor:
        """What `node` makes of `x`, while the tensors `held` wait for others."""
        match node:
            case Sequence():
                for _, child in node.items:
                    x = self.pass_through(child, x, held)
                return x
            case Parallel():
                return self._parallel(node, x, held)
            case Within():
                return self._within(node, x, held)
            case Auxiliary():
                next(self.layers)
                return x
        return self._leaf(node, x, held)

    def _leaf(self, node: Primitive, x: Tensor, held: tuple[Tensor, ...]) -> Tensor:
        layer = next(self.layers)
        return x if isinstance(node, (*ALIASES, Dropout)) else self._made(layer, (*held, x))

    def _parallel(self, node: Parallel, x: Tensor, held: tuple[Tensor, ...]) -> Tensor:
        """All branches but the last must leave their input as it is."""
        ends: list[Tensor] = []
        for _, branch in node.branches[:-1]:
            ends.append(self.pass_through(branch, x, (*held, *ends, x)))
        ends.append(self.pass_through(node.branches[-1][1], x, (*held, *ends)))
        layer = next(self.layers)
        alone = len(ends) == 1 and node.merge != "concat"
        return ends[0] if alone else self._made(layer, (*held, *ends))

    def _within(self, node: Within, x: Tensor, held: tuple[Tensor, ...]) -> Tensor:
        """The places of the maxima wait for the body."""
        layer = next(self.layers)
        places = Tensor(INDEX_BYTES * prod(layer.out_shape), False)
        pooled = self._made(layer, (*held, x, places))
        inner = self.pass_through(node.body, pooled, (*held, places))
        return self._made(next(self.layers), (*held, places, inner))

    def _made(self, layer: Layer, alive: tuple[Tensor, ...]) -> Tensor:
        y = Tensor(self.value_bytes * prod(layer.out_shape), False)
        sizes = {id(tensor): tensor.values for tensor in (*alive, y)}
        self.peak = max(self.peak, sum(sizes.values()))
        return y


class _Backward:
    """A backward pass, from the last layer to the first: the most bytes of kept tensors and gradients at one time.

    A layer reads the gradient of its output and makes that of its input, where anything before it learns, and those of
    its weights; then what it kept is let go. Branches follow one another, the last one first, while the gradients that
    the others wait for, and the sum of those that are done, stay.
    """

    def __init__(
        self, network: Network, layers: tuple[Layer, ...], rows: tuple[Row, ...], map_bytes: int, value_bytes: int
    ) -> None:
        self.layers = iter(range(len(layers) - 1, -1, -1))
        self.traced, self.rows, self.map_bytes, self.value_bytes = layers, rows, map_bytes, value_bytes
        self.first = next((place for place, layer in enumerate(layers) if layer.params), len(layers))
        self.kept, self.gradients = sum(row.saved for row in rows), 0
        self.peak = self.kept
        self.walk(network.root, Tensor(map_bytes * prod(layers[-1].out_shape if layers else (0,)), True), ())

    def walk(self, node: Node, slope: Tensor, held: tuple[Tensor, ...]) -> Tensor:
        """The gradient of the node's input, of that of its output, while the tensors `held` wait."""
        match node:
            case Sequence():
                for _, child in reversed(node.items):
                    slope = self.walk(child, slope, held)
                return slope
            case Parallel():
                return self._parallel(node, slope, held)
            case Within():
                inner = self.walk(node.body, self._used(next(self.layers), slope, held), held)
                return self._used(next(self.layers), inner, held)
            case Auxiliary():
                next(self.layers)
                self.walk(node.body, Tensor(0, True), (*held, slope))
                return slope
        place = next(self.layers)
        return slope if isinstance(node, ALIASES) else self._used(place, slope, held)

    def _parallel(self, node: Parallel, slope: Tensor, held: tuple[Tensor, ...]) -> Tensor:
        place = next(self.layers)
        if node.merge == "multiply":  # each factor's gradient is a map of its own, summed where it was spread out
            self._seen((*held, slope, *(Tensor(slope.values, True) for _ in node.branches)))
        self._let_go(place)
        total: Tensor | None = None
        for place, (_, branch) in reversed(list(enumerate(node.branches))):
            waiting = (*held, *((slope,) if place else ()), *((total,) if total else ()))
            done = self.walk(branch, slope, waiting)
            total = done if total in (None, slope) else total
        return total or slope

    def _used(self, place: int, slope: Tensor, held: tuple[Tensor, ...]) -> Tensor:
        """One layer's turn: the gradient of its input, counted beside all that is there."""
        layer = self.traced[place]
        self.gradients += layer.params * self.value_bytes
        made = Tensor(self.map_bytes * prod(layer.in_shape) * (place > self.first), True)
        self._seen((*held, slope, made, Tensor(self._copied(place), False)))
        self._let_go(place)
        return made

    def _copied(self, place: int) -> int:
        """What a max pool over an image copies where a mean or a flatten hands it a gradient with channels first.

        Maps have them last, so torch turns the places of the maxima and the gradient that it makes.
        """
        layer = self.traced[place]
        if not (isinstance(layer.node, Pool) and layer.indices and len(layer.in_shape) == 3 and place > self.first):
            return 0
        after = (row.node for row in self.traced[place + 1 :] if not isinstance(row.node, Dropout))
        if next(after, None) not in (GlobalPool("average"), Flatten()):
            return 0
        return self.map_bytes * (INDEX_BYTES * layer.indices // self.value_bytes + prod(layer.in_shape))

    def _seen(self, alive: tuple[Tensor, ...]) -> None:
        sizes = {id(tensor): tensor.values for tensor in alive}
        self.peak = max(self.peak, self.kept + self.gradients + sum(sizes.values()))

    def _let_go(self, place: int) -> None:
        self.kept -= self.rows[place].saved


def _buffers(layer: Layer, value_bytes: int) -> int:
    """Running mean and variance with their counter, fixed patterns, the channels of a selection."""
    match layer.node:
        case Norm(kind="batch"):
            return 2 * value_bytes * layer.in_shape[0] + INDEX_BYTES
        case Prototypes():
            return value_bytes * layer.in_shape[0] * layer.node.out
        case Select():
            return INDEX_BYTES * len(layer.node.channels)
    return 0
