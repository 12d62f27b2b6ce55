"""The first weights, by rule. No torch; `worker.training.initial` draws them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from searchspace.blueprint import Spec
from worker.recipe.parts import Positive


class FirstFilters(Spec):
    """The first convolution's filters, from the data or a file, instead of drawn.

    `pca`: principal components of training patches, those that vary most first. `kmeans`: filters that answer as the
    centroids of whitened patches do (Coates & Ng 2012). Both get the deviation that `he` draws with. `file`: the array
    `weight` of a `.npz` or `.safetensors`, of the shape that the layer has. Filters beyond what there is stay drawn.
    """

    kind: Literal["pca", "kmeans", "file"]
    path: str | None = None
    patches: Annotated[int, Field(ge=100)] = 10_000

    @model_validator(mode="after")
    def _path_of_a_file(self) -> FirstFilters:
        if (self.kind == "file") != (self.path is not None):
            raise ValueError("path: kind: file needs one, and nothing else has one; write {kind: file, path: w.npz}")
        return self


class Initial(Spec):
    """`he`: normal, variance 2 / fan_in (He et al. 2015); linear layers 1 / fan_in (LeCun et al. 1998).

    `xavier`: uniform, variance 2 / (fan_in + fan_out) (Glorot & Bengio 2010). `orthogonal`: filters at right angles
    (Saxe et al. 2014), with the deviation of `he`. `torch`: uniform, variance 1 / (3 fan_in), biases too, as torch's
    layers are made. `dirac`: convolutions pass their first channels on (Zagoruyko & Komodakis 2017), the rest as `he`.
    `gain` multiplies all weights that the rule gives. `zero_gamma`: the last norm of each residual branch starts at 0
    (Goyal et al. 2017), or the last convolution where a branch ends in one, so that the block begins as its shortcut.
    """

    kind: Literal["he", "xavier", "orthogonal", "dirac", "torch"] = "he"
    gain: Positive = 1.0
    zero_gamma: bool = False
    first: FirstFilters | None = None
