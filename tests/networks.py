"""Networks that the drawings are tested on, from core nodes: the classic shapes, and one for each word of the core."""

from searchspace import core
from searchspace.core import Network, Node, Sequence

RELU, BATCH = core.Activation("relu"), core.Norm("batch")
FLAT = ((0, 0),) * 2
POOL = core.Pool("max", (2, 2), (2, 2), FLAT)


def conv(out: int, kernel: int = 3, stride: int = 1, groups: int = 1, dilation: int = 1) -> core.Conv:
    padding = core.same_padding((kernel,) * 2, (dilation,) * 2)
    return core.Conv(out, (kernel,) * 2, (stride,) * 2, padding, (dilation,) * 2, groups)


def row(*items: Node) -> Sequence:
    return Sequence(tuple((str(number), item) for number, item in enumerate(items)))


def unit(out: int, kernel: int = 3, stride: int = 1) -> Sequence:
    return row(conv(out, kernel, stride), BATCH, RELU)


def head(outputs: int = 10) -> Sequence:
    return row(core.GlobalPool("average"), core.Linear(outputs))


def lenet() -> Network:
    pool = core.Pool("average", (2, 2), (2, 2), FLAT)
    five = [core.Conv(out, (5, 5), (1, 1), FLAT, (1, 1)) for out in (6, 16)]
    ends = row(core.Flatten(), core.Linear(120), RELU, core.Linear(84), RELU, core.Linear(10))
    return Network((1, 32, 32), row(five[0], RELU, pool, five[1], RELU, pool, ends))


def vgg() -> Network:
    stages = [row(*(row(conv(w), RELU) for _ in range(n)), POOL) for n, w in ((2, 64), (2, 128), (3, 256), (3, 512))]
    hidden = [row(core.Linear(4096), RELU, core.Dropout(0.5)) for _ in range(2)]
    return Network((3, 224, 224), row(*stages, core.Flatten(), *hidden, core.Linear(1000)))


def inception(widths: tuple[int, ...]) -> core.Parallel:
    one, reduce3, three, reduce5, five, projected = widths
    pool = core.Pool("max", (3, 3), (1, 1), ((1, 1), (1, 1)))
    branches = (unit(one, 1), row(unit(reduce3, 1), unit(three)), row(unit(reduce5, 1), unit(five, 5)))
    return core.Parallel((*row(*branches).items, ("pool", row(pool, unit(projected, 1)))), "concat")


def googlenet() -> Network:
    blocks = [inception((64 + 32 * n, 96 + 16 * n, 128 + 32 * n, 16 + 8 * n, 32 + 16 * n, 32)) for n in range(9)]
    aside = core.Auxiliary(
        row(core.Pool("average", (5, 5), (3, 3), FLAT), unit(128, 1), core.Flatten(), core.Linear(9)), 0.3
    )
    stem = (unit(64, 7, 2), POOL, unit(64, 1), unit(192), POOL)
    return Network(
        (3, 224, 224), row(*stem, *blocks[:2], POOL, blocks[2], aside, *blocks[3:7], POOL, *blocks[7:], head())
    )


def bottleneck(width: int, stride: int = 1, project: bool = False) -> Sequence:
    body = row(unit(width, 1), unit(width, 3, stride), conv(4 * width, 1), BATCH)
    shortcut = row(conv(4 * width, 1, stride), BATCH) if project else core.Identity()
    return row(core.Parallel((("body", body), ("shortcut", shortcut)), "add"), RELU)


def resnet() -> Network:
    stages = [
        row(bottleneck(w, s, True), *(bottleneck(w) for _ in range(n - 1)))
        for n, w, s in ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 2))
    ]
    return Network((3, 224, 224), row(unit(64, 7, 2), POOL, *stages, head()))


def dense_layer() -> core.Parallel:
    new = row(BATCH, RELU, conv(128, 1), BATCH, RELU, conv(32))
    return core.Parallel((("before", core.Identity()), ("new", new)), "concat")


def densenet(blocks: tuple[int, ...] = (6, 12, 24, 16)) -> Network:
    items: list[Node] = [unit(64, 7, 2), POOL]
    for number, layers in enumerate(blocks):
        items += [row(*(dense_layer() for _ in range(layers))), row(BATCH, RELU, conv(128 * 2**number, 1), POOL)]
    return Network((3, 224, 224), row(*items[:-1], BATCH, RELU, head()))


def unet() -> Network:
    """Skip connections around a path that makes maps smaller and larger again."""

    def level(width: int) -> Sequence:
        if width == 64:
            return row(unit(width), unit(width))
        up = core.TransposedConv(width, (2, 2), (2, 2), FLAT, (0, 0), (1, 1))
        skip = core.Parallel((("keep", core.Identity()), ("deep", row(POOL, level(2 * width), up))), "concat")
        return row(unit(width), unit(width), skip, unit(width), unit(width))

    return Network((3, 64, 64), row(level(8), conv(5, 1)))


def segnet() -> Network:
    """Pools whose switches the unpooling uses."""

    def level(width: int) -> Sequence:
        if width == 64:
            return row(unit(width), unit(width))
        within = core.Within(POOL, row(level(2 * width), unit(width)))
        return row(unit(width), unit(width), within, unit(width), unit(width))

    return Network((3, 64, 64), row(level(8), conv(5, 1)))


def lenet_table() -> Network:
    """Branches that look alike: each selects some maps and makes one of them."""
    one = conv(1)
    branches = [(f"map{n}", row(core.Select(tuple(range(3 + n % 3))), one)) for n in range(16)]
    return Network((1, 32, 32), row(conv(6), POOL, core.Parallel(tuple(branches), "concat"), POOL, conv(9)))


CLASSICS = {
    "lenet": lenet(),
    "vgg": vgg(),
    "googlenet": googlenet(),
    "resnet": resnet(),
    "densenet": densenet(),
    "unet": unet(),
    "segnet": segnet(),
    "lenet_table": lenet_table(),
}

WORDS: dict[type, Node] = {
    core.Conv: conv(8, 3, 2, groups=2, dilation=2),
    core.TransposedConv: core.TransposedConv(6, (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1), (1, 1)),
    core.Local: core.Local(6, (3, 3), (2, 2), FLAT),
    core.Norm: core.Norm("group", 2),
    core.LocalResponse: core.LocalResponse(),
    core.Activation: core.Activation("prelu", 0.25),
    core.Pool: core.Pool("mixed", (3, 3), (2, 2), FLAT),
    core.WeightedPool: core.WeightedPool((2, 2), (2, 2), FLAT, bias=True),
    core.GlobalPool: core.GlobalPool("max", keep=True),
    core.Upsample: core.Upsample((2, 2), "linear"),
    core.Dropout: core.Dropout(0.25),
    core.Flatten: core.Flatten(),
    core.Linear: row(core.Flatten(), core.Linear(7)),
    core.Prototypes: row(core.Flatten(), core.Prototypes(7)),
    core.Identity: core.Identity(),
    core.Select: core.Select((0, 2)),
    core.PadChannels: core.PadChannels(1, 2),
    core.Coordinates: core.Coordinates(),
    core.Sequence: row(conv(4), row(conv(5), RELU)),
    core.Parallel: core.Parallel(
        (("gate", row(core.GlobalPool("average", True), conv(4, 1))), ("x", conv(4))), "multiply"
    ),
    core.Within: core.Within(POOL, conv(4)),
    core.Auxiliary: core.Auxiliary(head(), 0.3),
}
VOCABULARY = {kind.__name__: Network((4, 8, 8), row(conv(4), node)) for kind, node in WORDS.items()}
EVERY = CLASSICS | VOCABULARY
