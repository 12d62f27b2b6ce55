"""Draw networks of the zoo for the pages: `python docs/make_figures.py` writes docs/pictures/*.svg, in seconds."""

from __future__ import annotations

from pathlib import Path

import make_dense

from searchspace import drawing
from searchspace.zoo import networks

FOLDER = Path(__file__).parent / "pictures"
FIGURES = (
    "lenet5",
    "lenet5_1998",
    "alexnet_2012",
    "vgg16",
    "nin_cifar",
    "googlenet",
    "googlenet_2014_aux",
    "resnet50",
    "wrn_28_10",
    "resnext50_32x4d",
    "densenet121",
    "mobilenet_v1",
    "mobilenet_v2",
    "all_cnn_c",
    "fcn32s_vgg16",
    "deeplab_v3_resnet50",
    "segnet_basic",
)
"""Drawn block by block."""
VOLUMES = ("lenet5", "vgg16", "googlenet", "resnet50", "densenet121", "wrn_28_10")
"""Drawn map by map."""


def pictures() -> dict[str, str]:
    """The file names and what stands in them."""
    figures = {f"{name}.svg": drawing.svg(networks.network(name)) for name in FIGURES}
    return (
        figures
        | make_dense.pictures()
        | {f"{name}-volumes.svg": drawing.volumes(networks.network(name)) for name in VOLUMES}
    )


if __name__ == "__main__":
    for name, text in pictures().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(f"docs/pictures/{name}  {len(text.encode()) / 1000:.0f} kB")
