"""What every field of a study file means, in a few words: editors show it, and docs/spec.md prints it.

A field is looked up as `Model.field`, by its model and by those that it inherits from, and else by its name alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from searchspace.blueprint import Blueprint
from searchspace.language.patterns import RegNet
from studies.spec import StudySpec
from worker.recipe import Recipe

STUDY = {
    "apiVersion": "the language that this file is written in",
    "StudySpec.kind": "what this file declares",
    "StudySpec.name": "how commands and screens call it; unique in its store",
    "about": "the question, in a sentence, for screens and reports",
    "data": "what to learn from",
    "task": "labels to predict, or numbers",
    "variables": "whatever may vary: domains, derived values and constants",
    "blueprint": "the network, with $references where it varies",
    "design": "a controlled comparison; excludes a search",
    "StudySpec.search": "for the best network; excludes a design",
    "budget": "when to stop, and how much to do at a time",
    "confirm": "retraining of what a search found, then the test part",
    "recipe": "how every network is trained, with $references where it varies",
    "resources": "what one trial occupies",
    "measure": "what is looked at beside the metrics",
    "baselines": "simple methods that are fitted to the same data, for comparison",
    "seed": "where randomness starts: weights, batches, proposals; the split has none",
    "evaluate": "results from a file instead of training",
    "EvaluateSpec.table": "a CSV or parquet file of variables, seeds and metrics",
    "DataSpec.source": "where the examples come from; paths start at the study's folder",
    "image": "shape of one example: map size, then channels",
    "resize": "how image files of another size are fitted",
    "columns": "where a parquet file has its images and labels; null: by type",
    "Columns.image": "the column of encoded pictures",
    "Columns.label": "the column of classes",
    "memory": "bytes that may be held, such as 4GB; more is streamed",
    "DataSpec.classes": "number of labels, needed only to plan without the file",
    "digest": "16 hexadecimal digits that pin the file's content; filled in",
}

QUESTIONS = {
    "factors": "variables whose levels are combined into cells",
    "layout": "which combinations there are; null: all of them",
    "DesignSpec.baseline": "the combination about which one factor at a time is changed",
    "runs": "combinations of a fraction or of a latin hypercube",
    "DesignSpec.cells": "the combinations themselves, instead of a layout",
    "compare": "pairs of levels by factor; null: every pair",
    "match": "costs to hold equal in all cells",
    "DesignSpec.raw": "values of the solved variables in unmatched cells, trained as well",
    "tune": "nuisance variables and their settings: each cell stands at its own best",
    "tune_replicates": "trainings of each cell at each setting; null: one",
    "margin": "smallest difference that matters; null: 0.5% of a share",
    "DesignSpec.noise": "the deviation of one seed's value, where no trial tells it yet",
    "DesignSpec.replicates": "trainings of each cell, on seeds of their own; or a rule",
    "until": "what seeds are added for",
    "at_least": "seeds of the first stage, whose spread decides",
    "at_most": "seeds of a cell in all",
    "half_width": "half of the 95 % interval that is wanted, such as 0.3%",
    "of": "whose interval: each cell's mean, or each compared difference",
    "MatchTo.macs": "multiply-adds per example to aim at, such as 2M",
    "MatchTo.params": "learned numbers to aim at, such as 60k",
    "MatchTo.activations": "outputs of weighted layers to aim at, such as 100k",
    "MatchTo.memory": "bytes that training takes to aim at, such as 200M",
    "MatchTo.train_macs": "multiply-adds of the whole training to aim at, such as 5T",
    "MatchTo.field": "positions that the last map should see, per axis",
    "MatchTo.latency": "milliseconds for one example on this machine to aim at",
    "MatchTo.by": "variables to solve for in each cell; null: costs are checked",
    "tolerance": "largest deviation that counts as equal, as a share: 4%",
    "sampler": "who proposes: a model of past trials (TPE), or chance",
    "objectives": "what to optimize, up to three; the first one ranks",
    "constraints": "limits on counted costs, such as `params: <= 60k`",
    "pruner": "whether weak trials end early",
    "start": "assignments that are tried before the sampler proposes any",
    "maximize": "a metric to raise, such as `val_accuracy`",
    "minimize": "a metric or counted cost to lower, such as `macs`",
    "min_epochs": "epochs before the first decision to stop",
    "eta": "one trial in so many goes on at each decision",
    "trials": "how many a search trains, at most",
    "hours": "wall-clock limit, summed over all runs of the study",
    "BudgetSpec.parallel": "trials at a time; null: one in a search, else what fits",
    "max_failed": "broken trials that are borne; one more stops the study",
    "top": "how many of the best are trained again",
    "ConfirmSpec.replicates": "trainings of each winner, on fresh seeds",
    "cpus": "processor cores for each trial",
    "gpus": "devices for each trial; a fraction shares one",
    "checkpoint_seconds": "least time between two savings of a trial's state",
    "timeout_seconds": "a trial that trains longer fails; null: no limit",
    "together": "replicates that may share their steps, if that is faster",
    "watch": "epochs between two looks at gradients, norms and dead units; null: never",
    "fit_every": "epochs between two passes over training examples as they are",
    "shifts": "validation again, on images moved by 1 to so many pixels",
    "latency": "whether milliseconds for 1 and 128 examples are taken",
    "layers": "whether the forward pass is timed layer by layer",
}

BLUEPRINT = {
    "Blueprint.stages": "words in order, from the input to the last map",
    "head": "from the last map to the outputs",
    "Blueprint.classes": "outputs that it is made for, checked against the data",
    "strict_division": "whether windows that leave border positions unread are errors",
    "silence": "kinds of advice that are not wanted",
    "block": "the word: what kind of stage this is",
    "repeat": "how often, one after the other",
    "PlainStage.repeat": "number of convolutions",
    "ResidualStage.repeat": "number of blocks",
    "InvertedResidualStage.repeat": "number of blocks",
    "DenseStage.repeat": "number of layers",
    "width": "channels that leave it",
    "kernel": "window's side in positions, one number or one per axis",
    "stride": "positions from one window to the next",
    "dilation": "distance between the positions that one window reads",
    "padding": "zeros around the map: `same`, `valid`, a number, or per axis",
    "groups": "parts of the channels that are convolved apart",
    "bias": "whether a constant is added per channel; null: unless a norm follows",
    "norm": "normalization after each convolution, or where its `place` says",
    "activation": "nonlinearity after each weighted layer, or null",
    "dropout": "share of values set to zero in training",
    "pool": "what shrinks the map at the end, or null",
    "PlainStage.stride_at": "which of the convolutions takes the stride",
    "convolution": "how weights are laid out and shared",
    "output_padding": "rows added at the far edge of a transposed convolution's output",
    "kernels": "one for each convolution of the body, instead of two equal",
    "inner": "channels of all convolutions in the body but the last",
    "reduce": "width divided by the channels inside the body",
    "ResidualStage.groups": "cardinality: parts of the channels that are convolved apart",
    "ResidualStage.stride": "positions from one window to the next, in the first block",
    "InvertedResidualStage.stride": "positions from one window to the next, in the first block",
    "ResidualStage.stride_at": "number, from 1, of the convolution that takes the stride",
    "order": "where norms and activations stand about convolutions and the addition",
    "shortcut": "what joins the body's output where the shape changes",
    "shortcut_norm": "whether a projection has one; null: unless pre-activated",
    "squeeze_excite": "reduction of a gate over channels; null: no gate",
    "expansion": "channels inside a block, divided by those that enter",
    "growth": "channels that each layer adds",
    "bottleneck": "channels before each main convolution, over growth; 0: none",
    "transition": "what narrows and pools at the end, or null",
    "compression": "share of the channels that goes on",
    "ParallelStage.branches": "lists of stages over the same input, by name if wanted",
    "merge": "how the outputs are joined",
    "stages": "words in order, within this one",
    "AuxiliaryStage.stages": "words in order, before the side classifier",
    "AuxiliaryStage.head": "the side classifier",
    "WithinStage.pool": "windows whose maxima the unpooling puts back in place",
    "weight": "factor of the side classifier's loss",
    "AtrousPyramidStage.kernel": "window's side in positions, along every axis",
    "rates": "dilations, one branch for each",
    "ones": "whether there is a 1x1 branch",
    "image_pool": "whether a branch sees the whole map's mean",
    "project": "whether a 1x1 convolution ends it",
    "scale": "factor of the map's side, one number or one per axis",
    "nodes": "core layers in order, each with its own fields",
}

SECTIONS = {
    "NormSpec.kind": "over what mean and variance are taken",
    "place": "before or after the activation, before the convolution, or nowhere",
    "NormSpec.groups": "parts of the channels that are normalized apart (`group`)",
    "NormSpec.eps": "added to the variance",
    "NormSpec.size": "neighbouring channels that count (`local_response`)",
    "alpha": "factor of the neighbours' squares (`local_response`)",
    "beta": "exponent (`local_response`)",
    "k": "constant under the exponent (`local_response`)",
    "ActivationSpec.kind": "which function",
    "slope": "factor of negative inputs (`leaky_relu`)",
    "shared": "whether all channels learn one slope (`prelu`)",
    "PoolSpec.kind": "what a window becomes",
    "size": "window's side in positions, one number or one per axis",
    "PoolSpec.stride": "positions from one window to the next; null: its size",
    "ceil": "whether the map's size rounds up, with a partial last window",
    "count_padding": "whether zeros around the map count in averages",
    "per_channel": "whether each channel has its own weights (`learned`)",
    "per_position": "whether each place in a window has its own weight (`learned`)",
    "PoolSpec.bias": "whether a constant is added per channel (`learned`)",
    "Head.kind": "fully connected layers, 1x1 convolutions, or nothing",
    "Head.pool": "global pooling; null: flatten, or predict a map",
    "hidden": "units of each layer before the outputs",
    "Head.norm": "normalization after each hidden layer, or null",
    "Head.activation": "nonlinearity after each hidden layer, or null",
    "Head.dropout": "share of values set to zero in training, before each layer",
    "output_activation": "nonlinearity after the output layer, or null",
    "UpsampleStage.kind": "repeat positions, or interpolate between them",
    "RegNet.kind": "which rule computes the lists",
    "RegNet.depth": "number of blocks, over all stages",
    "initial": "channels of the first block",
    "RegNet.slope": "channels added per block, before rounding",
    "multiplier": "ratio of the widths of neighbouring stages",
    "group_width": "channels per group; null: no groups",
    "ties": "where a width midway between two multiples goes",
}

NODES = {
    "RawNode.name": "what it is called in the network; null: its kind and number",
    "node": "which layer of the core this is",
    "out": "channels or features that leave it; `outputs`: the network's own",
    "RawConv.bias": "whether a constant is added per channel",
    "RawLinear.bias": "whether a constant is added per feature",
    "RawNorm.kind": "over what mean and variance are taken",
    "RawNorm.groups": "parts of the channels that are normalized apart (`group`)",
    "RawNorm.eps": "added to the variance",
    "RawLocalResponse.size": "neighbouring channels that count",
    "RawGlobalPool.kind": "what the whole map becomes",
    "keep": "whether a map of one position is left, instead of features",
    "RawUpsample.kind": "repeat positions, or interpolate between them",
    "rate": "share of values set to zero in training",
    "channels": "which to take, counted from 0",
    "before": "zero channels in front",
    "after": "zero channels behind",
    "RawParallel.branches": "lists of nodes over the same input, by name",
    "RawWithin.pool": "windows whose maxima the unpooling puts back in place",
}

TRAINING = {
    "epochs": "passes over the training part",
    "batch_size": "examples per step; `all`: every one of them",
    "optimizer": "how gradients move the weights",
    "schedule": "how the learning rate changes from step to step",
    "loss": "what is minimized; null: cross-entropy or squared error, by task",
    "label_smoothing": "share of the target that is spread over all classes",
    "metrics": "what else to report, such as `top5`",
    "examples": "how many to train on, or what share; null: all",
    "balanced": "whether every class is drawn equally often",
    "input": "how raw values become what the network reads; null: standardized",
    "augment": "changes to training images, in this order",
    "curriculum": "easy examples first",
    "Recipe.initial": "how the first weights are drawn; null: `he`",
    "clip": "limit on gradients",
    "Recipe.noise": "random numbers added to gradients",
    "accumulate": "steps are split in so many; `auto`: when memory runs out",
    "average": "a mean of weights is what is validated and kept",
    "early_stopping": "end when validation no longer improves; the best epoch counts",
    "test_augment": "outputs are means over views of the image",
    "precision": "numbers to compute with; null: float32; `auto`: bfloat16 on able GPUs",
    "compile": "whether torch compiles the network first",
    "kind": "which of several; it decides on the fields beside it",
    "lr": "learning rate, at the schedule's highest; `auto`: a range test finds it",
    "momentum": "share of the last step that goes on",
    "nesterov": "whether the gradient is taken a step ahead",
    "weight_decay": "pull of weights towards 0",
    "decayed": "all parameters, or weights alone: no biases, nothing of norms",
    "betas": "decay of the running means of gradient and its square",
    "eps": "added to the divisor",
    "rho": "decay of the running means",
    "RmsProp.alpha": "decay of the running mean of squared gradients",
    "iterations": "most evaluations of a direction at each step",
    "history": "updates that the curvature is estimated from",
    "warmup": "a rise from a small rate in the first epochs",
    "Warmup.epochs": "length of the rise; fractions count",
    "Warmup.first": "share of the rate to start from",
    "at": "epochs after which the rate drops",
    "every": "epochs between two drops",
    "Warmed.by": "factor of the rate at each drop",
    "patience": "epochs without improvement that are borne",
    "min_delta": "least improvement that counts",
    "metric": "what must improve",
    "last": "share of the rate at the end",
    "warmup_fraction": "share of all steps on the way up",
    "div": "peak rate over that of the first step",
    "final_div": "first step's rate over that of the last",
    "probability": "share of images that are changed",
    "Crop.padding": "pixels added on each side before the cut, so the largest shift",
    "fill": "what is added: zeros, or the mirrored border",
    "Cutout.size": "side of the square",
    "brightness": "largest change of the factor",
    "contrast": "largest change of the factor",
    "saturation": "largest change of the factor",
    "std": "standard deviation of the draw",
    "Mixup.alpha": "of the Beta distribution of the share",
    "CutMix.alpha": "of the Beta distribution of the share",
    "flip": "whether the mirror image is a view",
    "TestAugmentation.shift": "pixels by which views are moved; 0: none",
    "Curriculum.order": "which examples come first",
    "Curriculum.first": "share of the examples to begin with",
    "over": "share of epochs until all are seen",
    "Curriculum.epochs": "of the plain training that ranks the examples",
    "permute": "whether positions are put in a fixed random order",
    "gain": "factor of the deviation",
    "zero_gamma": "whether residual branches start at zero",
    "FirstFilters.kind": "where the filters come from",
    "Initial.first": "filters of the lowest convolution, from data or a file",
    "path": "an npz or safetensors file with the array `weight`",
    "patches": "how many pieces of training images to learn from",
    "Clip.norm": "largest length of all gradients together",
    "value": "limit for each gradient alone",
    "GradientNoise.eta": "variance of the first step's noise",
    "gamma": "exponent of its decay",
    "decay": "share of the mean that stays at each step",
    "Swa.start": "share of epochs before the mean begins",
}

MEANINGS = STUDY | QUESTIONS | BLUEPRINT | SECTIONS | NODES | TRAINING
ROOTS = (StudySpec, Blueprint, RegNet, Recipe)
"""The models that a file is checked with: its own, those of its two templates, and that of a pattern's family."""


def meaning(model: type[BaseModel], field: str) -> str:
    """What a field of a model means."""
    return MEANINGS[key(model, field)]


def key(model: type[BaseModel], field: str) -> str:
    """The key under which that is found."""
    known = (f"{one.__name__}.{field}" for one in model.__mro__)
    return next((name for name in known if name in MEANINGS), field)


def models() -> list[type[BaseModel]]:
    """Every model that a study file is checked with, in the order of mention."""
    return list(dict.fromkeys(one for root in ROOTS for one in _mentioned(root, {})))


def _mentioned(kind: Any, seen: dict[Any, None]) -> Iterator[type[BaseModel]]:
    """The models in an annotation, each before those that its fields mention."""
    if not isinstance(kind, type) or not issubclass(kind, BaseModel):
        for part in get_args(kind):
            yield from _mentioned(part, seen)
    elif kind not in seen:
        seen[kind] = None
        yield kind
        for field in kind.model_fields.values():
            yield from _mentioned(field.annotation, seen)
