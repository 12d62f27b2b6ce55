"""Published recipes by name: what a paper says of its training, as far as this language has words for it.

Lengths in pixels are for the paper's images (224 or 32 pixels); where a paper is silent a value is this language's
default, or ours and said to be so. What a paper does beside is the network's own (dropout, side classifiers) or has
no word here, and `SOURCES` says it.
"""

from __future__ import annotations

from typing import Any

from searchspace.language.problems import FieldError, nearest

Tree = dict[str, Any]

FLIP: Tree = {"kind": "flip"}
IMAGENET_CROP: Tree = {"kind": "crop", "padding": 16}
"""A window of 224 pixels from an image of 256."""
CIFAR_CROP: Tree = {"kind": "crop", "padding": 4}
LIGHTING: Tree = {"kind": "lighting", "std": 0.1}


def _sgd(lr: float, weight_decay: float, nesterov: bool = False, momentum: float = 0.9) -> Tree:
    return {"kind": "sgd", "lr": lr, "momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay}


def _plateau() -> Tree:
    """A tenth when validation no longer improves; how long to wait no paper says, so `patience` is the default."""
    return {"kind": "plateau", "by": 0.1}


def _step(*at: int, by: float = 0.1) -> Tree:
    return {"kind": "step", "at": list(at), "by": by}


_ALEXNET: Tree = {
    "epochs": 90,
    "batch_size": 128,
    "optimizer": _sgd(0.01, 5e-4),
    "schedule": _plateau(),
    "augment": [IMAGENET_CROP, FLIP, LIGHTING],
}
_RESNET: Tree = {
    "epochs": 120,  # 600,000 steps of 256 out of 1,281,167
    "batch_size": 256,
    "optimizer": _sgd(0.1, 1e-4),
    "schedule": _plateau(),
    "augment": [IMAGENET_CROP, FLIP, LIGHTING],
    "initial": {"kind": "he"},
}

NAMED: dict[str, Tree] = {
    "alexnet-2012": _ALEXNET,
    "vgg-2014": _ALEXNET | {"epochs": 74, "batch_size": 256},
    "googlenet-2014": {
        "epochs": 250,
        "batch_size": 32,
        "optimizer": _sgd(0.01, 2e-4),
        "schedule": {"kind": "step", "every": 8, "by": 0.96},
        "augment": [
            IMAGENET_CROP,
            FLIP,
            {"kind": "color_jitter", "brightness": 0.5, "contrast": 0.5, "saturation": 0.5},
        ],
        "average": {"kind": "ema", "decay": 0.999},
    },
    "he-sun-2015": _ALEXNET,
    "resnet-2015": _RESNET,
    "resnet-2015-cifar": {
        "epochs": 182,  # 64,000 steps of 128 out of 45,000
        "batch_size": 128,
        "optimizer": _sgd(0.1, 1e-4),
        "schedule": _step(91, 137),  # 32,000 and 48,000 steps
        "augment": [CIFAR_CROP, FLIP],
        "initial": {"kind": "he"},
    },
    "all-cnn-2014": {
        "epochs": 350,
        "optimizer": _sgd(0.05, 1e-3),
        "schedule": _step(200, 250, 300),
        "input": {"kind": "zca"},
        "augment": [{"kind": "crop", "padding": 5}, FLIP],
    },
    "densenet-2016": {
        "epochs": 300,
        "batch_size": 64,
        "optimizer": _sgd(0.1, 1e-4, nesterov=True),
        "schedule": _step(150, 225),
        "augment": [CIFAR_CROP, FLIP],
        "initial": {"kind": "he"},
    },
    "wrn-2016": {
        "epochs": 200,
        "batch_size": 128,
        "optimizer": _sgd(0.1, 5e-4, nesterov=True),
        "schedule": _step(60, 120, 160, by=0.2),
        "augment": [CIFAR_CROP | {"fill": "reflect"}, FLIP],
        "initial": {"kind": "he"},
    },
    "resnext-2016": _RESNET | {"schedule": {"kind": "step", "every": 30, "by": 0.1}},
    "mobilenet-2017": {
        "epochs": 100,
        "batch_size": 32,
        "optimizer": {"kind": "rmsprop", "lr": 0.045, "alpha": 0.9, "eps": 1.0},
        "schedule": {"kind": "step", "every": 2, "by": 0.94},
        "augment": [IMAGENET_CROP, FLIP],
        "clip": {"norm": 2.0},
    },
    "adamw-2017": {
        "epochs": 100,
        "batch_size": 128,
        "optimizer": {"kind": "adamw", "lr": 1e-3, "betas": [0.9, 0.999], "eps": 1e-8, "weight_decay": 0.01},
        "schedule": {"kind": "cosine"},
        "augment": [CIFAR_CROP, FLIP],
    },
    "one-cycle-2018": {
        "epochs": 200,  # 10,000 steps of 1,000 out of 50,000
        "batch_size": 1000,
        "optimizer": _sgd(3.0, 1e-4),
        "schedule": {"kind": "one_cycle", "warmup_fraction": 0.45, "div": 30.0, "final_div": 100.0},
        "augment": [CIFAR_CROP, FLIP],
    },
    "bag-of-tricks-2018": {
        "epochs": 200,
        "batch_size": 1024,
        "optimizer": _sgd(0.4, 1e-4, nesterov=True) | {"decayed": "weights"},
        "schedule": {"kind": "cosine", "warmup": {"epochs": 5}},
        "label_smoothing": 0.1,
        "augment": [
            IMAGENET_CROP,
            FLIP,
            {"kind": "color_jitter", "brightness": 0.4, "contrast": 0.4, "saturation": 0.4},
            LIGHTING,
            {"kind": "mixup", "alpha": 0.2},
        ],
        "initial": {"kind": "xavier", "zero_gamma": True},
    },
    "airbench-2024": {
        "epochs": 10,  # 9.9
        "batch_size": 1024,
        "optimizer": _sgd(1.5, 0.0153 / 11.5, nesterov=True, momentum=0.85),
        "schedule": {"kind": "linear", "last": 0.07, "warmup": {"epochs": 2.3, "first": 0.2}},
        "label_smoothing": 0.2,
        "augment": [FLIP, {"kind": "crop", "padding": 2, "fill": "reflect"}],
        "initial": {"kind": "dirac", "first": {"kind": "pca"}},
        "test_augment": {"flip": True, "shift": 1},
    },
}

SOURCES: dict[str, str] = {
    "alexnet-2012": "Krizhevsky, Sutskever & Hinton 2012, sections 4 and 5 (ImageNet); without its normal weights of "
    "deviation 0.01, its biases of 1 and its test on ten crops",
    "vgg-2014": "Simonyan & Zisserman 2015, section 3.1 (ImageNet); without the jitter of scales",
    "googlenet-2014": "Szegedy et al. 2015, section 6 (ImageNet), which gives the momentum, the schedule and that the "
    "weights are averaged; rate, decay, batch and epochs are those of Caffe's bvlc_googlenet, the colours Howard 2014, "
    "the average's decay ours; without crops of other sizes and shapes",
    "he-sun-2015": "He & Sun 2015 (ImageNet), trained in the manner of Krizhevsky et al. 2012, whose values these are",
    "resnet-2015": "He et al. 2016a, section 3.4 (ImageNet); without the jitter of scales",
    "resnet-2015-cifar": "He et al. 2016a, section 4.2 (CIFAR-10, 45,000 images); without the start at 0.01 that its "
    "110 layers need",
    "all-cnn-2014": "Springenberg et al. 2015, section 3 (CIFAR-10), the rate of its All-CNN; whitened, without "
    "contrast normalization; the batch is ours",
    "densenet-2016": "Huang et al. 2017, section 4.2 (CIFAR)",
    "wrn-2016": "Zagoruyko & Komodakis 2016, section 3 (CIFAR)",
    "resnext-2016": "Xie et al. 2017, section 4 (ImageNet): three drops, which at one in 30 epochs need 120; without "
    "crops of other sizes and shapes",
    "mobilenet-2017": "Howard et al. 2017, section 3.2 (ImageNet), which names RMSprop as for Inception-v3: Szegedy et "
    "al. 2016, section 8; without 50 asynchronous replicas",
    "adamw-2017": "Loshchilov & Hutter 2019: the defaults of algorithm 2 and cosine annealing (CIFAR-10); the decay is "
    "torch's, which the rate multiplies",
    "one-cycle-2018": "Smith & Topin 2019, super-convergence (CIFAR-10, ResNet-56): from 0.1 to 3 and back in 10,000 "
    "steps; along cosines, and without the cycle of the momentum; the augmentation is He et al. 2016a's",
    "bag-of-tricks-2018": "He et al. 2019, sections 2 to 5 (ImageNet, ResNet-50); without distillation and crops of "
    "other sizes and shapes",
    "airbench-2024": "Jordan 2024, airbench94 (CIFAR-10, its rate for the mean loss: 11.5 / (1 + 1 / (1 - 0.85))); "
    "without the larger rate of biases, lookahead, the frozen bias of the first layer and flips that alternate",
}
"""Where each is from and for which data, and what of it this language cannot say."""

EITHER = (("at", "every"), ("norm", "value"))
"""Fields of which a section takes one: a person's own drives out the paper's other."""


def merged(data: Any) -> Any:
    """A recipe's tree with the values of the recipe that it is `like` wherever it says nothing itself.

    A section (optimizer, schedule, average, ...) is merged field by field if its kind is not another one: with
    `optimizer: {lr: 0.2}` the paper's kind and momentum stay; `optimizer: {kind: adam}` drops all of the paper's.
    Sections inside sections, lists and `null` (off) replace. With other epochs than the paper's, its own counts of
    epochs (`at`, `every`, the warm-up's) shrink or grow in proportion; what a person wrote stays.
    """
    if not isinstance(data, dict) or "like" not in data:
        return data
    own = {key: value for key, value in data.items() if key != "like"}
    name = data["like"]
    if name is None:
        return own
    if not isinstance(name, str) or name not in NAMED:
        raise FieldError("like", f"there is no recipe {name!r}{nearest(str(name), NAMED)}")
    paper = _rescaled(NAMED[name], own.get("epochs"))
    return paper | {key: _section(paper.get(key), value) for key, value in own.items()}


def _section(paper: Any, own: Any) -> Any:
    if not isinstance(paper, dict) or not isinstance(own, dict):
        return own
    if own.get("kind", paper.get("kind")) != paper.get("kind"):
        return own
    dropped = {field for pair in EITHER for field in pair if any(other in own for other in pair)}
    return {field: value for field, value in paper.items() if field not in dropped} | own


def _rescaled(paper: Tree, epochs: Any) -> Tree:
    """The paper's recipe for another number of epochs."""
    if not isinstance(epochs, int) or isinstance(epochs, bool) or epochs < 1 or epochs == paper["epochs"]:
        return paper
    share, schedule = epochs / paper["epochs"], dict(paper["schedule"])
    if "at" in schedule:
        schedule["at"] = sorted({max(1, round(epoch * share)) for epoch in schedule["at"]})
    if "every" in schedule:
        schedule["every"] = max(1, round(schedule["every"] * share))
    if "warmup" in schedule:
        schedule["warmup"] = schedule["warmup"] | {"epochs": schedule["warmup"]["epochs"] * share}
    return paper | {"schedule": schedule}
