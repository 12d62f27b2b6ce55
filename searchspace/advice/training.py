"""Advice on what makes training harder: norms, dropout, activations, depth, filters that see one channel."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from searchspace.advice.facts import Advice, Facts, depthwise, map_of, named
from searchspace.core import Activation, Conv, Local, LocalResponse, Norm, Parallel

DEEP_SATURATING = 10
"""Weighted layers that sigmoid or tanh networks without norms may have."""
DEEP_PLAIN = 20
"""Weighted layers that networks without shortcuts may have: 18 still train as well as with them, 34 do not."""
LEAST_BATCH = 8


def bias_before_norm(facts: Facts) -> Iterator[Advice]:
    """Biases that the mean of the norm directly after them takes away again."""
    found = [
        link.before
        for link in facts.links
        if isinstance(link.layer.node, Norm)
        and link.layer.node.kind in ("batch", "instance")
        and link.before
        and _per_channel_bias(link.before.node)
    ]
    if found:
        names = tuple(layer.name for layer in found)
        biases = sum(layer.out_shape[0] for layer in found)
        yield Advice(
            "bias_before_norm",
            names,
            f"{named(names)}: the norm directly after it takes the bias away again, {biases} parameters in all",
            "A batch or instance norm subtracts each channel's mean, and the bias with it; the norm has its own shift.",
            "bias: false, or leave bias out",
            "Ioffe & Szegedy 2015, section 3.2",
        )


def _per_channel_bias(node: object) -> bool:
    return getattr(node, "bias", False) is True and not isinstance(node, Local)


def dropout_before_batch_norm(facts: Facts) -> Iterator[Advice]:
    """Dropout with a batch norm somewhere after it."""
    found = {
        link.dropout.name: link.layer.name
        for link in reversed(facts.links)
        if link.dropout and isinstance(link.layer.node, Norm) and link.layer.node.kind == "batch"
    }
    if found:
        names = tuple(reversed(found))
        yield Advice(
            "dropout_before_batch_norm",
            names,
            f"{named(names)}: dropout stands before the batch norm {found[names[0]]}, whose running variance is then "
            "that of training only",
            "Dropout raises the variance in training; the norm remembers it and scales wrongly where nothing drops.",
            "move dropout after the last batch norm, or use another norm",
            "Li et al. 2019, Understanding the Disharmony between Dropout and Batch Normalization by Variance Shift",
        )


def tiny_batch_norm(facts: Facts) -> Iterator[Advice]:
    """Batch norms with batches of fewer than 8 examples."""
    norms = [one for one in facts.layers if isinstance(one.node, Norm) and one.node.kind == "batch"]
    if facts.batch is not None and facts.batch < LEAST_BATCH and norms:
        names = tuple(layer.name for layer in norms)
        least = min(norms, key=lambda layer: prod(map_of(layer)))
        values = facts.batch * prod(map_of(least))
        what = f"estimates a mean and a variance from as little as {values} values, in {least.name}"
        if facts.batch == 1:
            what = "does not train: such a trial fails"
        yield Advice(
            "tiny_batch_norm",
            names,
            f"{named(names)}: batch norm with batches of {facts.batch} {what}",
            "Statistics of few examples are noisy, and differ from the running ones that inference uses.",
            "use group norm, or batches of 8 and more",
            "Wu & He 2018, Group Normalization, section 4.1",
        )


def saturating_depth(facts: Facts) -> Iterator[Advice]:
    """Sigmoid or tanh in deep networks that have neither norms nor shortcuts."""
    last = facts.weighted[-1].name if facts.weighted else ""
    before_last = [link for link in facts.links if not link.gate]
    names = [link.layer.name for link in before_last]
    end = names.index(last) if last in names else 0
    found = tuple(link.layer.name for link in before_last[:end] if _saturates(link.layer.node))
    if found and facts.cost.depth > DEEP_SATURATING and not _eased(facts):
        yield Advice(
            "saturating_depth",
            found,
            f"{named(found)}: {len(found)} sigmoids or tanhs in {facts.cost.depth} weighted layers without norm or "
            "shortcut",
            "Their slopes are below 1 almost everywhere, so that gradients vanish on the way back.",
            "use relu, or add batch norm or residual blocks",
            "Glorot & Bengio 2010, Understanding the difficulty of training deep feedforward neural networks",
        )


def _saturates(node: object) -> bool:
    return isinstance(node, Activation) and node.kind in ("sigmoid", "tanh", "scaled_tanh")


def _eased(facts: Facts) -> bool:
    """Whether norms or shortcuts help the gradient."""
    return _has_branches(facts) or any(isinstance(layer.node, Norm | LocalResponse) for layer in facts.layers)


def _has_branches(facts: Facts) -> bool:
    """Whether branches meet anywhere: a shortcut, or paths of different length."""
    return any(isinstance(one.node, Parallel) and one.node.merge in ("add", "concat") for one in facts.layers)


def plain_depth(facts: Facts) -> Iterator[Advice]:
    """More than 20 weighted layers in a row without shortcuts; a depthwise one counts with the 1x1 after it."""
    depth = sum(not depthwise(layer) for layer in facts.weighted)
    if depth > DEEP_PLAIN and not _has_branches(facts):
        yield Advice(
            "plain_depth",
            (facts.weighted[0].name, facts.weighted[-1].name),
            f"{facts.weighted[0].name} to {facts.weighted[-1].name}: {depth} weighted layers without a shortcut",
            "Beyond about 20, plain networks get worse with depth, on the training data too.",
            "use residual or dense blocks",
            "He et al. 2015, Deep Residual Learning, section 4.1",
        )


def lone_depthwise(facts: Facts) -> Iterator[Advice]:
    """Depthwise convolutions with no layer that mixes channels between one and the next."""
    found = tuple(
        link.unmixed.name
        for link in facts.links
        if link.unmixed and depthwise(link.layer) and not _line(link.layer.node) and not _line(link.unmixed.node)
    )
    if found:
        yield Advice(
            "lone_depthwise",
            found,
            f"{named(found)}: the next convolution is depthwise too, with nothing between them that mixes channels",
            "A depthwise convolution filters each channel by itself; only a 1x1 convolution combines them.",
            "put a 1x1 convolution after each (convolution: separable)",
            "Howard et al. 2017, MobileNets, section 3.1",
        )


def _line(node: object) -> bool:
    """A window along one axis, a factor of a larger one."""
    return isinstance(node, Conv) and len(node.kernel) > 1 and min(node.kernel) == 1
