"""What the network in this folder says of images: `python predict.py image.png [more.png] [--onnx] [--top 3] [--json]`.

It needs numpy, pillow (for images), and either torch and safetensors or, with --onnx, onnxruntime. Series, volumes and
images as numbers are read from .npy files: one example, (*map size, channels), or several, (N, *map size, channels),
with values as the training data has them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
HERE = Path(__file__).parent
BATCH = 64
TURNED = {"JPEG", "MPO", "TIFF", "WEBP"}
"""Formats that cameras write turned, with a note of how."""


def read(folder: Path) -> dict[str, Any]:
    """What preprocess.json says, with the arrays of preprocess.safetensors where there are any."""
    told: dict[str, Any] = json.loads((folder / "preprocess.json").read_text(encoding="utf-8"))
    file = folder / "preprocess.safetensors"
    told["arrays"] = arrays(file.read_bytes()) if file.exists() else {}
    return told


def arrays(data: bytes) -> dict[str, Array]:
    """The arrays of a safetensors file: a length of 8 bytes, a header in JSON, the numbers."""
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    kinds = {"F32": "<f4", "F64": "<f8", "I64": "<i8"}
    return {
        name: np.frombuffer(data[start:], kinds[one["dtype"]], int(np.prod(one["shape"])), one["data_offsets"][0])
        .reshape(one["shape"])
        .copy()
        for name, one in header.items()
        if name != "__metadata__"
    }


def preprocess(raw: Array, told: dict[str, Any]) -> Array:
    """Raw values (N, *map size, C) to the network's inputs (N, C, *map size), float32."""
    transform, more = told["transform"], told["arrays"]
    x = (raw.astype(np.float32) - np.array(transform["mean"], np.float32)) / np.array(transform["std"], np.float32)
    if "matrix" in more:
        x = ((x.reshape(len(x), -1) - more["mean_values"]) @ more["matrix"]).reshape(x.shape)
    if "order" in more:
        x = x.reshape(len(x), -1, x.shape[-1])[:, more["order"]].reshape(x.shape)
    return np.ascontiguousarray(np.moveaxis(x, -1, 1), np.float32)


# --- files to raw values ----------------------------------------------------------------------------------------------


def raw_values(path: Path, told: dict[str, Any]) -> Array:
    """The examples of a file, (N, *map size, C)."""
    if not path.is_file():
        raise ValueError(f"{path}: {'this is a folder' if path.is_dir() else 'there is no such file'}; name a file")
    if path.suffix.lower() == ".npy":
        return _of_array(path, told)
    if not told["image"]:
        raise ValueError(f"{path}: this network reads numbers, not image files; save them with numpy.save as .npy")
    return _of_image(path, told)


def _of_array(path: Path, told: dict[str, Any]) -> Array:
    try:
        with path.open("rb") as file:
            raw: Array = np.lib.format.read_array(file, allow_pickle=False)
    except (ValueError, OSError) as error:
        raise ValueError(f"{path}: this is no .npy file of numbers ({error}); save it with numpy.save") from None
    given, (channels, *size) = raw.shape, told["input"]
    axes = len(size)
    if channels == 1 and (raw.shape[-1:] != (1,) or raw.ndim == axes):
        raw = raw[..., None]
    raw = raw[None] if raw.ndim == axes + 1 else raw
    right = raw.ndim == axes + 2 and raw.shape[-1] == channels and _fits(raw.shape[1:-1], told)
    if not right or not len(raw) or raw.dtype.kind not in "buif":
        raise ValueError(
            f"{path}: an array of {given} of {raw.dtype} is no example; save (N, {_text(size)}, {channels})"
        )
    if not np.isfinite(raw).all():
        raise ValueError(f"{path}: some values are not finite; remove or replace them")
    return raw


def _of_image(path: Path, told: dict[str, Any]) -> Array:
    """One image in the data's channels and range, fitted to its size as the training images were."""
    from PIL import Image, ImageOps

    rule, size = told["image"], tuple(told["input"][1:])
    try:
        with Image.open(path) as opened:
            upright = ImageOps.exif_transpose(opened) if opened.format in TURNED else opened
            image = _plain(upright, rule["mode"])
    except Exception as error:  # whatever Pillow's many decoders raise at a damaged file
        reason = str(error).partition(" image file")[0] or type(error).__name__
        raise ValueError(f"{path}: this is no image that can be read ({reason}); give a PNG or a JPEG") from None
    if not told["dense"]:
        image = _fitted(image, size, rule["resize"])
    elif not _fits((image.height, image.width), told):
        given = f"{image.height}x{image.width}"
        raise ValueError(f"{path}: {given} has no place for the window of ({_text(size)}); give a larger image")
    pixels = np.asarray(image, np.float32).reshape(1, image.height, image.width, -1)
    scaled: Array = pixels if rule["high"] == 255 else pixels * (rule["high"] / 255)
    return scaled


def _plain(image: Any, mode: str) -> Any:
    """Gray (L) or RGB; 16 bits become 8, and what is transparent stands on white."""
    from PIL import Image

    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).clip(0, 65535).astype(np.uint16) >> 8).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("an image of floats has no agreed range")
    if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image).convert("RGB")
    return image.convert(mode)


def _fitted(image: Any, size: tuple[int, ...], resize: str) -> Any:
    """The image at (height, width), bilinear: `crop` cuts the middle out, `pad` adds black, `stretch` does neither."""
    from PIL import Image

    (height, width), how = size, Image.Resampling.BILINEAR
    if image.size == (width, height):
        return image
    if resize == "stretch":
        return image.resize((width, height), how)
    scale = (max if resize == "crop" else min)(width / image.width, height / image.height)
    if resize == "crop":
        across, down = width / scale, height / scale
        left, top = (image.width - across) / 2, (image.height - down) / 2
        box = (max(left, 0.0), max(top, 0.0), min(left + across, image.width), min(top + down, image.height))
        return image.resize((width, height), how, box)
    inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    canvas = Image.new(image.mode, (width, height))
    canvas.paste(image.resize(inner, how), ((width - inner[0]) // 2, (height - inner[1]) // 2))
    return canvas


def _fits(size: tuple[int, ...], told: dict[str, Any]) -> bool:
    window = tuple(told["input"][1:])
    return all(n >= least for n, least in zip(size, window, strict=True)) if told["dense"] else size == window


# --- inputs to outputs ------------------------------------------------------------------------------------------------

Form = Callable[[Array], Array]


def with_onnx(folder: Path) -> Form:
    """The network as ONNX Runtime runs it: inputs to outputs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
    return lambda x: np.asarray(session.run(None, {"inputs": x})[0])


def with_torch(folder: Path) -> Form:
    """The network of model.py with its weights: inputs to outputs."""
    import importlib.util

    import torch

    place = importlib.util.spec_from_file_location("model", folder / "model.py")
    assert place
    assert place.loader
    model = importlib.util.module_from_spec(place)
    place.loader.exec_module(model)
    network = model.load(folder / "weights.safetensors")

    def outputs(x: Array) -> Array:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(x)).numpy())

    return outputs


def form(folder: Path, onnx: bool) -> Form:
    """ONNX Runtime where it is asked for or torch is not installed."""
    if not onnx:
        try:
            return with_torch(folder)
        except ModuleNotFoundError:
            if not (folder / "model.onnx").exists():
                raise
    return with_onnx(folder)


def scores(outputs: Array, told: dict[str, Any]) -> Array:
    """Outputs (N, K, ...) as what they are read as: probabilities, or numbers in the data's unit."""
    if told["unit"]:
        mean, std = (np.reshape(told["unit"][name], (-1,) + (1,) * (outputs.ndim - 2)) for name in ("mean", "std"))
        outputs = outputs * std + mean
    if told["scores"] == "softmax":
        grown = np.exp(outputs - outputs.max(1, keepdims=True))
        shares: Array = grown / grown.sum(1, keepdims=True)
        return shares
    one_each: Array = 1 / (1 + np.exp(-outputs)) if told["scores"] == "sigmoid" else outputs
    return one_each


# --- what is told -----------------------------------------------------------------------------------------------------


def predictions(path: Path, run: Form, told: dict[str, Any], top: int) -> Iterator[dict[str, Any]]:
    """What is said of each example of a file."""
    raw = raw_values(path, told)
    for start in range(0, len(raw), BATCH):
        found = scores(run(preprocess(raw[start : start + BATCH], told)), told)
        for number, one in enumerate(found, start):
            name = str(path) if len(raw) == 1 else f"{path}[{number}]"
            yield {"file": name, **_said(one, told, top)}


def _said(one: Array, told: dict[str, Any], top: int) -> dict[str, Any]:
    labels = told["labels"]
    if not labels:
        return {"outputs": one.tolist()}
    if one.ndim > 1:
        best = one.argmax(0)
        return {"map": np.array(labels, dtype=object)[best].tolist(), "scores": one.max(0).round(6).tolist()}
    order = np.argsort(-one, kind="stable")[:top]
    return {"label": labels[order[0]], "top": [{"label": labels[k], "score": float(one[k])} for k in order]}


def _line(said: dict[str, Any]) -> str:
    if "map" in said:
        cells = np.atleast_2d(np.array(said["map"], dtype=object))
        width = max(len(str(cell)) for cell in cells.flat)
        rows = [" ".join(str(cell).rjust(width) for cell in np.ravel(row)) for row in cells]
        return "\n".join([f"{said['file']}:", *rows])
    if "outputs" in said:
        return f"{said['file']}: {', '.join(format(value, '.6g') for value in np.ravel(said['outputs']))}"
    listed = [f"{one['label']} ({one['score']:.3f})" for one in said["top"]]
    return f"{said['file']}: {', '.join(listed)}"


def _text(size: Any) -> str:
    return ", ".join(map(str, size))


def main(arguments: list[str] | None = None) -> int:
    """Predict for the files that the command line names."""
    parser = argparse.ArgumentParser(description="What the network in this folder says of images.")
    parser.add_argument("files", nargs="+", type=Path, help="PNG or JPEG images, or .npy arrays")
    parser.add_argument("--onnx", action="store_true", help="run model.onnx with ONNX Runtime, without torch")
    parser.add_argument("--top", type=int, default=3, help="how many classes to list (default: 3)")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    asked = parser.parse_args(arguments)
    said: list[dict[str, Any]] = []
    wrong = 0
    try:
        told, run = read(HERE), form(HERE, asked.onnx)
        for path in asked.files:
            try:
                said += predictions(path, run, told, max(1, asked.top))
            except (ValueError, OSError) as error:
                wrong += _complained(error)
    except (ValueError, OSError) as error:
        return _complained(error)
    except ModuleNotFoundError as error:
        return _complained(f"{error.name} is not installed; pip install {error.name}")
    if said or asked.json:
        print(json.dumps(said, indent=2) if asked.json else "\n".join(map(_line, said)))
    return 1 if wrong else 0


def _complained(about: object) -> int:
    """One sentence on what cannot be read; the other files are told all the same."""
    print(f"predict.py: {about}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
