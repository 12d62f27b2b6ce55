"""Advice: what the lectures and papers would say about a network, in numbers, with a reason, a cure and a source.

It is never an error. Each kind is one rule, which can be silenced by its name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from searchspace.advice import budget, training, windows
from searchspace.advice.facts import Advice as Advice
from searchspace.advice.facts import Facts
from searchspace.core import Network
from searchspace.cost import Cost, Layer, traced
from searchspace.language.problems import nearest

Rule = Callable[[Facts], Iterator[Advice]]

KINDS: Mapping[str, Rule] = {
    rule.__name__: rule
    for rule in (
        training.bias_before_norm,
        windows.strided_1x1,
        windows.dropped_border,
        windows.large_stride,
        windows.large_pool_stride,
        windows.large_kernel,
        windows.even_kernel,
        windows.abrupt_shrink,
        windows.uneven_halving,
        training.dropout_before_batch_norm,
        windows.small_field,
        windows.only_1x1,
        budget.heavy_head,
        budget.odd_width,
        budget.early_memory,
        training.tiny_batch_norm,
        budget.fixed_input,
        training.saturating_depth,
        training.plain_depth,
        training.lone_depthwise,
    )
}
"""Every kind of advice by its name; the rule's docstring says when it is given."""


def advice(network: Network, *, batch: int | None = None, silence: Collection[str] = ()) -> tuple[Advice, ...]:
    """What could be better about a network, kind by kind but for those silenced; `batch` is the recipe's, if known."""
    return of_trace(network, *traced(network), batch=batch, silence=silence)


def of_trace(
    network: Network,
    layers: tuple[Layer, ...],
    cost: Cost,
    *,
    batch: int | None = None,
    silence: Collection[str] = (),
) -> tuple[Advice, ...]:
    """The same, for a network that is counted already."""
    facts = Facts(network, layers, cost, batch)
    return tuple(one for kind, rule in KINDS.items() if kind not in silence for one in rule(facts))


def kind_of_advice(name: str) -> str:
    """The name, if it is a kind of advice; a ValueError with the nearest if it is not."""
    if name not in KINDS:
        raise ValueError(f"unknown kind of advice {name!r}{nearest(name, KINDS)}")
    return name
