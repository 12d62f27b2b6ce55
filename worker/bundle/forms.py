"""A network's forms: model.py with its weights, torch.export's model.pt2, and model.onnx; each as a function."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.fx.experimental import _config

from searchspace.core import Size
from worker.bundle.contents import FORMS, MODEL, ONNX, OPSET, PT2, WEIGHTS
from worker.bundle.predict import with_onnx

Outputs = Callable[[Tensor], Tensor]
EXAMPLES = 3
"""In the batch that is traced; 0 and 1 would be taken for constants."""


def read(folder: Path) -> dict[str, Any]:
    """The names that a bundle's model.py defines: `build`, `load`, `preprocess` and its constants."""
    path = folder / MODEL
    names: dict[str, Any] = {"__name__": "model", "__file__": str(path)}
    exec(compile(path.read_text(encoding="utf-8"), MODEL, "exec"), names)
    return names


def weights_of(model: nn.Module, wanted: nn.Module) -> dict[str, Tensor]:
    """The model's weights in the shapes of `wanted`, which has the same names: a linear layer's as a convolution's."""
    own, shapes = model.state_dict(), wanted.state_dict()
    return {name: _plain(own[name]).reshape(shape.shape) for name, shape in shapes.items()}


def _plain(value: Tensor) -> Tensor:
    value = value.detach().cpu().contiguous().clone()
    return value.float() if value.is_floating_point() else value


def save_weights(weights: Mapping[str, Tensor], folder: Path) -> None:
    """Bytes written here: `save_file` makes a file that its owner alone may read, whatever the umask."""
    (folder / WEIGHTS).write_bytes(safetensors.torch.save(dict(weights)))


def export(folder: Path, shape: tuple[int, ...], larger: Size | None, without: frozenset[str]) -> None:
    """Write model.pt2 and model.onnx of the network that model.py and its weights make.

    `shape` is (C, *map size); the batch is dynamic, and so is the map where a `larger` one is given. A ValueError
    names a form that torch cannot make.
    """
    if set(FORMS) <= without:
        return
    model = read(folder)["load"](folder / WEIGHTS)
    x = torch.zeros(EXAMPLES, shape[0], *(larger or shape[1:]))
    with _quiet():
        program = _form(PT2, lambda: _exported(model, x, shape[1:], larger))
        _forget_places(program)
        if "pt2" not in without:
            (folder / PT2).write_bytes(_form(PT2, lambda: _saved(program)))
        if "onnx" not in without:
            (folder / ONNX).write_bytes(_form(ONNX, lambda: _onnx(program, x, larger)))


def _exported(model: nn.Module, x: Tensor, least: Size, larger: Size | None) -> torch.export.ExportedProgram:
    """The program, for any batch and, where there is a `larger` input, for any from `least` up.

    There the exporter would take a map of one position for a special case: it is told not to, and what it guards
    against all the same is left out; the checks run the trained size and a larger one.
    """
    sizes: dict[int, Any] = {0: torch.export.Dim("batch", min=1)}
    for axis, n in enumerate(least, 2) if larger else ():
        sizes[axis] = torch.export.Dim.DYNAMIC(min=n)
    with torch.no_grad(), _config.patch(backed_size_oblivious=True):  # type: ignore[attr-defined]
        program = torch.export.export(_sliding(model) if larger else model, (x,), dynamic_shapes=(sizes,))
    if larger:
        program._guards_code = []
    return program


class _MaxPool1d(nn.MaxPool1d):
    """The same over a map of one row: torch exports a max pool of series for one length only."""

    def forward(self, x: Tensor) -> Tensor:
        sizes: tuple[Any, ...] = (self.kernel_size, self.stride, self.padding, self.dilation)
        k, s, p, d = sizes
        pooled: Tensor = nn.functional.max_pool2d(x.unsqueeze(2), (1, k), (1, s), (0, p), (1, d), self.ceil_mode)
        return pooled.squeeze(2)


def _sliding(model: nn.Module) -> nn.Module:
    """The model with its max pools of series in a form that is exported for any length."""
    for layer in model.modules():
        if isinstance(layer, nn.MaxPool1d):
            layer.__class__ = _MaxPool1d
    return model


def _saved(program: torch.export.ExportedProgram) -> bytes:
    """In memory: at a full disk torch's own writer ends the process."""
    file = io.BytesIO()
    torch.export.save(program, file)
    return file.getvalue()


def _onnx(program: torch.export.ExportedProgram, x: Tensor, larger: Size | None) -> bytes:
    sizes = {0: "batch"} | ({axis: f"size{axis - 1}" for axis in range(2, x.dim())} if larger else {})
    made = torch.onnx.export(
        program,
        dynamo=True,
        verbose=False,
        opset_version=OPSET,
        dynamic_shapes=(sizes,),
        input_names=["inputs"],
        output_names=["outputs"],
    )
    assert made is not None
    for node in made.model.graph.all_nodes():
        node.metadata_props.clear()
    content: bytes = made.model_proto.SerializeToString()
    return content


def _forget_places(program: torch.export.ExportedProgram) -> None:
    """Where on this machine each line of the source stood is nobody's business."""
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)


def _form(file: str, make: Callable[[], Any]) -> Any:
    """What `make` gives; a failure of torch's exporters as one sentence."""
    try:
        return make()
    except Exception as error:  # the exporters raise whatever an operation of theirs does
        first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        name = next(name for name, known in FORMS.items() if known == file)
        raise ValueError(
            f"{file} cannot be made of this network ({first.strip()}); leave it out with --without {name}"
        ) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporters talk on every channel there is; none of it is for the user."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with contextlib.redirect_stderr(io.StringIO()):
                yield
    finally:
        logging.disable(before)


def forms(folder: Path) -> dict[str, Outputs]:
    """Every form that the folder holds, by file name."""
    found: dict[str, Outputs] = {MODEL: _module(read(folder)["load"](folder / WEIGHTS))}
    if (folder / PT2).exists():
        with _quiet():
            found[PT2] = _module(torch.export.load(folder / PT2).module())
    if (folder / ONNX).exists():
        run = with_onnx(folder)
        found[ONNX] = lambda x: torch.from_numpy(run(x.numpy()))
    return found


def _module(model: nn.Module) -> Outputs:
    @torch.inference_mode()
    def outputs(x: Tensor) -> Tensor:
        result: Tensor = model(x)
        return result

    return outputs
