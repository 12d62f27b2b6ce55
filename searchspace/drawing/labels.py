"""What the drawings write: the short name of each primitive, its kind (which colours it), sizes and widths."""

from __future__ import annotations

from searchspace import core
from searchspace.core import Shape, Size

NORMS = {"batch": "BN", "layer": "LN", "instance": "IN", "group": "GN"}
ACTIVATIONS = {"relu": "ReLU", "relu6": "ReLU6", "leaky_relu": "leaky ReLU", "prelu": "PReLU", "elu": "ELU"} | {
    "gelu": "GELU", "silu": "SiLU", "scaled_tanh": "scaled tanh"
}  # fmt: skip
KEY = {"BN": "batch norm", "LN": "layer norm", "IN": "instance norm", "GN": "group norm"} | {
    "LRN": "local response norm"
}  # fmt: skip
"""What the abbreviations stand for, for the legend."""
KINDS: dict[type, str] = {
    **dict.fromkeys((core.Conv, core.TransposedConv, core.Local), "conv"),
    **dict.fromkeys((core.Pool, core.WeightedPool, core.Upsample), "pool"),
    **dict.fromkeys((core.Linear, core.Prototypes), "linear"),
    **dict.fromkeys((core.GlobalPool, core.Flatten), "global"),
}


def kind(node: core.Primitive) -> str:
    """The group of layers that shares a colour."""
    return KINDS.get(type(node), "other")


def label(node: core.Primitive, inputs: int) -> str:
    """What a box says of its layer, which `inputs` channels enter: `conv 3×3 /2`."""
    match node:
        case core.Conv() | core.TransposedConv() | core.Local():
            return _filters(node, inputs)
        case core.Pool():
            return f"{node.kind} pool"
        case core.WeightedPool():
            return "learned pool"
        case core.GlobalPool():
            return f"global {node.kind}"
        case core.Norm():
            return NORMS[node.kind] + (f" {node.groups}" if node.kind == "group" else "")
        case core.LocalResponse():
            return "LRN"
        case core.Activation():
            return ACTIVATIONS.get(node.kind, node.kind)
        case core.Dropout():
            return f"dropout {node.rate:g}"
        case core.PadChannels():
            return f"pad +{node.before} +{node.after}" if node.before else f"pad +{node.after}"
    return type(node).__name__.lower()


def _filters(node: core.Conv | core.TransposedConv | core.Local, inputs: int) -> str:
    dilation, groups = ((1,), 1) if isinstance(node, core.Local) else (node.dilation, node.groups)
    depthwise = groups == inputs == node.out and groups > 1
    names: dict[type, str] = {core.Conv: "conv", core.TransposedConv: "transposed", core.Local: "local"}
    name = "depthwise" if depthwise and isinstance(node, core.Conv) else names[type(node)]
    parts = [name, times(node.kernel)]
    parts += [f"/{_short(node.stride)}"] if set(node.stride) != {1} else []
    parts += [f"d{_short(dilation)}"] if set(dilation) != {1} else []
    parts += [f"g{groups}"] if groups > 1 and name != "depthwise" else []
    return " ".join(parts)


def details(node: core.Primitive) -> tuple[str, ...]:
    """What stands below the name: a pool's window and its stride where it is not the window, an upsampling's scale."""
    match node:
        case core.Pool() | core.WeightedPool():
            own = [] if node.stride == node.kernel else [f"/{_short(node.stride)}"]
            return (" ".join([times(node.kernel), *own]),)
        case core.Upsample():
            return (f"×{_short(node.scale)}", *(["linear"] if node.kind == "linear" else []))
    return ()


def times(size: Size) -> str:
    """`3×3`."""
    return "×".join(map(str, size))


def _short(size: Size) -> str:
    return str(size[0]) if len(set(size)) == 1 else times(size)


def widths(shape: Shape, among: tuple[int, int]) -> str:
    """`64 maps`, `64–256 maps` for repeats of several widths, `10 features`."""
    lowest, highest = among
    number = f"{lowest}" if lowest == highest else f"{lowest}–{highest}"
    return f"{number} {('map' if number == '1' else 'maps') if len(shape) > 1 else 'features'}"


def volume(shape: Shape) -> str:
    """`224×224×64`: map size, then channels, as the papers write them."""
    return times((*shape[1:], shape[0]))
