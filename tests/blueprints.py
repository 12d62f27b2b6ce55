"""Random blueprints over the whole vocabulary, for the tests that hold of every one of them."""

from __future__ import annotations

import random
from typing import Any

Tree = dict[str, Any]
ACTIVATIONS = ["relu", "relu6", "leaky_relu", "prelu", "elu", "gelu", "silu", "sigmoid", "tanh", "scaled_tanh", None]
NORMS = ["batch", "layer", "instance", "group", "local_response"]
PLACES = ["before_activation", "after_activation", "before_convolution", "none"]
ORDERS = [
    "post_activation",
    "pre_activation",
    "norm_after_addition",
    "activation_before_addition",
    "activation_first",
]
WIDTHS = [4, 8, 12]


class Dice:
    """A blueprint by the throw: small widths, so that its network is built in no time."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.axes = self.random.choice([1, 2, 2, 3])

    def pick(self, *options: Any) -> Any:
        return self.random.choice(options)

    def extent(self, low: int, high: int) -> Any:
        """One number, or one per axis."""
        numbers = [self.random.randint(low, high) for _ in range(self.axes)]
        return self.pick(numbers[0], numbers)

    def shape(self) -> tuple[int, ...]:
        """Channels and map size of an input."""
        sizes = [self.random.randint(8, 14 if self.axes < 3 else 9) for _ in range(self.axes)]
        return (self.random.randint(1, 3), *sizes)

    def blueprint(self) -> Tree:
        return {"stages": self.stages(self.random.randint(0, 3)), "head": self.head()}

    def stages(self, count: int, nested: bool = False) -> list[Tree]:
        return [self.stage(nested) for _ in range(count)]

    def stage(self, nested: bool = False) -> Tree:
        words = ["plain", "plain", "residual", "residual", "dense", "inverted_residual", "pool", "upsample"]
        words += ["coordinates", "raw", "atrous_pyramid"]
        words += [] if nested else ["parallel", "inception", "sequence", "within", "auxiliary"]
        word = self.random.choice(words)
        return {"block": word, **getattr(self, f"_{word}")()}

    def norm(self) -> Any:
        full = {
            "kind": self.random.choice(NORMS),
            "place": self.random.choice(PLACES),
            "groups": self.pick(1, 2, 4),
            "size": self.pick(3, 5),
        }
        return self.pick(None, "batch", full, full)

    def activation(self) -> Any:
        kind = self.random.choice(ACTIVATIONS)
        return self.pick(kind, kind and {"kind": kind, "slope": 0.2, "shared": self.pick(True, False)})

    def around(self) -> Tree:
        return {"norm": self.norm(), "activation": self.activation(), "bias": self.pick(None, None, True, False)}

    def pool(self) -> Any:
        full = {
            "kind": self.pick("max", "average", "mixed", "learned"),
            "size": self.extent(1, 3),
            "stride": self.pick(None, 1, 2),
            "padding": self.pick(0, 0, 1, "same"),
            "ceil": self.pick(True, False),
            "count_padding": self.pick(True, False),
            "per_channel": self.pick(True, False),
            "per_position": self.pick(True, False),
            "bias": self.pick(True, False),
        }
        return self.pick("max", full, full)

    def head(self) -> Tree:
        kind = self.pick("linear", "linear", "convolutional")
        return {
            "kind": kind,
            "pool": self.pick("average", "max") if kind == "convolutional" else self.pick("average", "max", None),
            "hidden": self.pick([], [5], [7, 3]),
            "norm": self.pick(None, "batch"),
            "activation": self.activation(),
            "dropout": self.pick(0.0, 0.3),
            "output_activation": self.pick(None, None, "relu"),
        }

    def _plain(self) -> Tree:
        convolution = self.pick("full", "full", "separable", "spatial", "local", "transposed")
        fitting = {}
        if convolution != "local":
            fitting["dilation"] = self.pick(1, 1, 2)
        if convolution == "full":
            fitting["groups"] = self.pick(1, 1, 1, 2)
        if convolution == "transposed":
            fitting["output_padding"] = self.pick(0, 0, 1)
        return {
            "repeat": self.random.randint(1, 3),
            "width": self.random.choice(WIDTHS),
            "kernel": self.extent(1, 4),
            "stride": self.extent(1, 2),
            "stride_at": self.pick("first", "last"),
            "padding": self.pick("same", "same", "valid", 1, [[0, 1]] * self.axes),
            "convolution": convolution,
            **fitting,
            **self.around(),
            "dropout": self.pick(0.0, 0.2),
            "pool": self.pick(None, self.pool()),
        }

    def _residual(self) -> Tree:
        around, order = self.around(), self.random.choice(ORDERS)
        if isinstance(around["norm"], dict) and order != "post_activation":
            around["norm"] |= {"place": "before_activation"}
        return {
            "repeat": self.random.randint(1, 3),
            "width": self.random.choice(WIDTHS),
            "kernels": self.pick(None, [1, 3, 1], [3, 1, 3], [3, 1], [3], [self.extent(1, 3), 3]),
            "reduce": self.pick(1.0, 2.0, 4.0),
            "groups": self.pick(1, 1, 2),
            "stride": self.extent(1, 2),
            "dilation": self.pick(1, 1, 2),
            "order": order,
            "shortcut": self.pick("projection", "projection", "pad", "always", "none"),
            "shortcut_norm": self.pick(None, True, False),
            "squeeze_excite": self.pick(None, 4),
            **around,
            "dropout": self.pick(0.0, 0.2),
            "pool": self.pick(None, None, self.pool()),
        }

    def _inverted_residual(self) -> Tree:
        return {
            "repeat": self.random.randint(1, 3),
            "width": self.random.choice(WIDTHS),
            "expansion": self.pick(1.0, 2.0, 6.0),
            "kernel": self.extent(1, 3),
            "stride": self.extent(1, 2),
            "squeeze_excite": self.pick(None, 4),
            **self.around(),
        }

    def _dense(self) -> Tree:
        return {
            "repeat": self.random.randint(1, 3),
            "growth": self.random.choice(WIDTHS),
            "bottleneck": self.pick(0, 1, 4),
            "dropout": self.pick(0.0, 0.2),
            **self.around(),
            "transition": self.pick(None, {}, {"compression": 1.0, "pool": None}),
        }

    def _parallel(self) -> Tree:
        if self.pick(True, False):
            gate = [{"block": "raw", "nodes": [{"node": "global_pool", "keep": True}]}]
            return {"merge": self.pick("add", "multiply", "concat"), "branches": {"all": gate, "input": []}}
        branches = [[{"block": "plain", "width": 4, "kernel": self.pick(1, 3, 5)}] for _ in range(2)]
        pooled = [{"block": "pool", "size": 3, "stride": 1, "padding": "same"}, {"block": "plain", "width": 4}]
        return {"merge": self.pick("add", "multiply", "concat"), "branches": [*branches, pooled]}

    def _inception(self) -> Tree:
        return {"branches": [self.stages(self.random.randint(0, 2), True) for _ in range(self.random.randint(1, 3))]}

    def _sequence(self) -> Tree:
        return {"repeat": self.random.randint(1, 2), "stages": self.stages(self.random.randint(0, 2), True)}

    def _within(self) -> Tree:
        body = [{"block": "residual", "width": 4, "norm": self.norm()}]
        return {"pool": "max", "stages": self.pick([], body)}

    def _auxiliary(self) -> Tree:
        return {"weight": 0.3, "stages": self.stages(self.random.randint(0, 1), True), "head": self.head()}

    def _atrous_pyramid(self) -> Tree:
        return {
            "width": 4,
            "rates": self.pick([1, 2], [2]),
            "ones": self.pick(True, False),
            "image_pool": self.pick(True, False),
            "project": self.pick(True, False),
            **self.around(),
        }

    def _pool(self) -> Tree:
        pool = self.pool()
        return pool if isinstance(pool, dict) else {"kind": pool}

    def _upsample(self) -> Tree:
        return {"scale": self.extent(1, 2), "kind": self.pick("nearest", "linear")}

    def _coordinates(self) -> Tree:
        return {}

    def _raw(self) -> Tree:
        nodes = [
            {"node": "conv", "out": 4, "kernel": 3, "padding": 1},
            {"node": "transposed", "out": 4, "kernel": 2, "stride": 2},
            {"node": "local", "out": 4, "kernel": 2},
            {"node": "norm", "kind": "instance"},
            {"node": "local_response"},
            {"node": "activation", "kind": "elu"},
            {"node": "pool", "kind": "mixed"},
            {"node": "dropout", "rate": 0.5},
            {"node": "select", "channels": [0]},
            {"node": "pad_channels", "before": 1, "after": 2},
            {"node": "coordinates"},
            {"node": "within", "nodes": [{"node": "identity"}]},
            {"node": "sequence", "nodes": [{"node": "upsample"}]},
            {"node": "auxiliary", "nodes": [{"node": "flatten"}, {"node": "linear", "out": "outputs"}]},
            {"node": "auxiliary", "nodes": [{"node": "global_pool"}, {"node": "prototypes", "out": "outputs"}]},
            {
                "node": "parallel",
                "merge": "concat",
                "branches": {"a": [], "b": [{"node": "conv", "out": 2, "kernel": 1}]},
            },
        ]
        return {"nodes": self.random.sample(nodes, self.random.randint(0, 4))}
