"""The bundle: complete, checked in all its forms, usable without us, and never written over what is not ours."""

import json
import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from PIL import Image
from safetensors.torch import load_file, save_file

from worker import bundle, data, trainer
from worker.bundle import checking, forms
from worker.bundle.preprocessing import _brightest
from worker.datasource import DataSpec
from worker.job import Job, TrainingFailed

DIGITS = DataSpec(source="digits")
TEXTS = {"card.md": "# Card\n"}
QUICK = frozenset({"onnx", "pt2"})
ALL = {*bundle.FILES, "model.onnx", "model.pt2"}
WITHOUT_TORCH = ("torch", "safetensors", "worker", "searchspace", "studies", "pydantic", "yaml", "scipy", "sklearn")
POISONED = """import runpy, sys
sys.modules.update(dict.fromkeys({names!r}))
sys.argv = {argv!r}
runpy.run_path({script!r}, run_name="__main__")
"""


def trained(
    folder: Path, blueprint: dict[str, Any], source: str = "digits", task: str = "classification", **recipe: Any
) -> bundle.Parts:
    """A network trained for two epochs, ready to be exported."""
    job = Job(1, blueprint, {"epochs": 2, **recipe}, {"source": source}, task, 0, str(folder))
    epochs = list(trainer.train(job))
    best = (epochs[-1].measured or {}).get("best_epoch", len(epochs))
    metrics = epochs[best - 1].metrics
    return bundle.Parts(job, metrics, "stages: []\n", "A network.", lambda evidence: TEXTS)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> bundle.Parts:
    stage = {"block": "residual", "width": 8, "norm": {"kind": "batch", "place": "after_activation"}}
    blueprint = {"stages": [stage], "head": {"dropout": 0.5}}
    return trained(tmp_path_factory.mktemp("trial"), blueprint, average={"kind": "ema", "decay": 0.9})


@pytest.fixture(scope="module")
def made(parts: bundle.Parts, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bundle.Evidence]:
    """The bundle, exported once."""
    return bundle.write(tmp_path_factory.mktemp("bundle") / "deep" / "mine", parts)


@pytest.fixture
def copied(made: tuple[Path, bundle.Evidence], tmp_path: Path) -> Path:
    """A copy to be changed."""
    return shutil.copytree(made[0], tmp_path / "copy")


def predicted(folder: Path, *arguments: Any, without: tuple[str, ...] = (), fails: bool = False) -> Any:
    """What predict.py prints in an isolated interpreter that cannot import some packages; its error if it `fails`."""
    script = str(folder / "predict.py")
    code = POISONED.format(names=without, argv=[script, *map(str, arguments)], script=script)
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == fails, done.stderr
    assert fails or not done.stderr
    return done.stderr if fails else json.loads(done.stdout) if "--json" in arguments else done.stdout


def test_a_bundle_is_whole_and_right(made: tuple[Path, bundle.Evidence], parts: bundle.Parts) -> None:
    target, evidence = made
    assert {path.name for path in target.iterdir()} == ALL
    assert [path.name for path in target.parent.iterdir()] == ["mine"]
    assert (target / "card.md").read_text() == "# Card\n"
    assert len({path.stat().st_mode for path in target.iterdir()}) == 1
    assert load_file(target / "weights.safetensors").keys() == trainer.finished(parts.job).model.state_dict().keys()
    assert bundle.read(target)["CLASSES"] == tuple("0123456789")
    assert evidence.examples == sum(map(sum, evidence.confusion)) == 360
    assert evidence.metrics["val_accuracy"] == parts.metrics["val_accuracy"]
    assert {"model.py", "model.onnx", "model.pt2"} <= evidence.differences.keys()
    assert max(evidence.differences.values()) < 1e-5


def test_forms_name_no_place_of_this_machine(made: tuple[Path, bundle.Evidence]) -> None:
    graph = onnx.load(made[0] / "model.onnx")
    assert [one.version for one in graph.opset_import if not one.domain] == [20]
    assert not [prop for node in graph.graph.node for prop in node.metadata_props]
    here = str(Path(forms.__file__).parents[2]).encode()
    assert not [path.name for path in made[0].iterdir() if here in path.read_bytes()]


def test_predictions_with_onnx_runtime_alone_are_those_of_torch(
    made: tuple[Path, bundle.Evidence], tmp_path: Path
) -> None:
    """No torch, nothing of ours: an image file and an array of them."""
    target, raw = made[0], data.raw_images(DIGITS, "classification", "validation", 70)
    np.save(tmp_path / "some.npy", raw)
    model = bundle.read(target)["load"](target / "weights.safetensors")
    wanted = model(bundle.read(target)["preprocess"](raw)).argmax(1).tolist()
    arguments = [tmp_path / "some.npy", "--json", "--top", "2"]
    alone = predicted(target, "--onnx", *arguments, without=WITHOUT_TORCH)
    assert [int(one["label"]) for one in alone] == wanted
    assert len(alone[0]["top"]) == 2
    ours = predicted(target, *arguments, without=WITHOUT_TORCH[2:])
    assert [one["label"] for one in ours] == [one["label"] for one in alone]
    scores = [[[one["score"] for one in said["top"]] for said in found] for found in (ours, alone)]
    np.testing.assert_allclose(*scores, atol=1e-5)


def test_predictions_of_image_files(made: tuple[Path, bundle.Evidence], tmp_path: Path) -> None:
    """Gray levels are brought to the data's range, other sizes to its size, without torch where there is none."""
    raw = data.raw_images(DIGITS, "classification", "validation", 3)
    pixels = np.round(raw[..., 0] * (255 / 16)).astype(np.uint8)
    for number, one in enumerate(pixels):
        Image.fromarray(one).save(tmp_path / f"{number}.png")
    Image.fromarray(pixels[0]).resize((64, 64), Image.Resampling.NEAREST).convert("RGBA").save(tmp_path / "large.png")
    Image.fromarray(pixels[0]).resize((64, 64), Image.Resampling.NEAREST).save(tmp_path / "large.jpg", quality=95)
    files = [tmp_path / name for name in ("0.png", "1.png", "2.png", "large.png", "large.jpg")]
    told = predicted(made[0], *files, "--json", without=WITHOUT_TORCH)
    model = bundle.read(made[0])["load"](made[0] / "weights.safetensors")
    shares = model(bundle.read(made[0])["preprocess"](raw)).softmax(1)
    assert [int(one["label"]) for one in told] == [*shares.argmax(1).tolist(), *[int(shares[0].argmax())] * 2]
    assert [one["top"][0]["score"] for one in told[:3]] == pytest.approx(shares.amax(1).tolist(), abs=0.02)
    assert f"{files[0]}: {told[0]['label']} (" in predicted(made[0], files[0], without=WITHOUT_TORCH)


def test_what_cannot_be_read_is_one_sentence(made: tuple[Path, bundle.Evidence], tmp_path: Path) -> None:
    """And the files beside it are told all the same."""
    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "broken.npy").write_bytes(b"no array")
    Image.fromarray(np.zeros((8, 8), np.float32)).save(tmp_path / "floats.tif")
    np.save(tmp_path / "large.npy", np.zeros((9, 9)))
    np.save(tmp_path / "none.npy", np.zeros((0, 8, 8)))
    np.save(tmp_path / "gaps.npy", np.full((8, 8), np.nan))
    np.save(tmp_path / "texts.npy", np.full((8, 8), "a"))
    np.savez(tmp_path / "archive.npz", x=np.zeros((8, 8)))
    (tmp_path / "archive.npz").rename(tmp_path / "archive.npy")
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "right.png")
    sentences = {
        "broken.png": "this is no image that can be read (cannot identify); give a PNG",
        "floats.tif": "this is no image that can be read (an image of floats has no agreed range)",
        "broken.npy": "this is no .npy file of numbers (",
        "archive.npy": "this is no .npy file of numbers (",
        "large.npy": "an array of (9, 9) of float64 is no example; save (N, 8, 8, 1)",
        "none.npy": "an array of (0, 8, 8) of float64 is no example",
        "texts.npy": "an array of (8, 8) of <U1 is no example",
        "gaps.npy": "some values are not finite; remove or replace them",
        "missing.png": "there is no such file; name a file",
        "missing.npy": "there is no such file; name a file",
        "": "this is a folder; name a file",
    }
    files = [tmp_path / name for name in ("right.png", *sentences, "right.png")]
    script = str(made[0] / "predict.py")
    code = POISONED.format(names=WITHOUT_TORCH, argv=[script, *map(str, files)], script=script)
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert [line.startswith(f"{files[0]}: ") for line in done.stdout.splitlines()] == [True, True]
    told = done.stderr.splitlines()
    assert len(told) == len(sentences)
    for line, (name, sentence) in zip(told, sentences.items(), strict=True):
        assert line.startswith(f"predict.py: {tmp_path / name}: {sentence}")


def test_an_older_bundle_is_replaced(parts: bundle.Parts, tmp_path: Path) -> None:
    quick = replace(parts, without=QUICK)
    target, evidence = bundle.write(tmp_path / "mine", quick)
    assert {path.name for path in target.iterdir()} == bundle.FILES
    assert evidence.without == ("onnx", "pt2")
    (target / "__pycache__").mkdir()  # which importing model.py leaves behind
    bundle.write(target, replace(quick, texts=lambda evidence: {"card.md": "# New\n"}))
    assert (target / "card.md").read_text() == "# New\n"
    assert not (target / "__pycache__").exists()
    (tmp_path / "empty").mkdir()
    assert bundle.write(tmp_path / "empty", quick)[0].joinpath("model.py").exists()


@pytest.mark.parametrize("name", ["notes.txt", "model.py"])
def test_nothing_else_is_written_over(parts: bundle.Parts, tmp_path: Path, name: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("precious")
    for target in (tmp_path / "mine", tmp_path / "mine" / name):
        with pytest.raises(ValueError, match="is not a bundle of ours; choose another folder or remove it"):
            bundle.write(target, parts)
    assert (tmp_path / "mine" / name).read_text() == "precious"


def changed_weights(folder: Path) -> None:
    weights = load_file(folder / "weights.safetensors")
    save_file({name: value * 1.01 for name, value in weights.items()}, folder / "weights.safetensors")


def changed_onnx(folder: Path) -> None:
    graph = onnx.load(folder / "model.onnx")
    weight = max(graph.graph.initializer, key=lambda one: len(one.raw_data))
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 1.01, weight.name))
    onnx.save(graph, folder / "model.onnx")


def changed_pt2(folder: Path) -> None:
    """As if it had been exported of a network of fresh weights."""
    torch.manual_seed(1)
    fresh = bundle.read(folder)["build"]().eval()
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(fresh, (torch.zeros(3, 1, 8, 8),), dynamic_shapes=({0: batch},))
    torch.export.save(program, folder / "model.pt2")


@pytest.mark.parametrize(
    ("change", "form"),
    [(changed_weights, r"model\.py"), (changed_onnx, r"model\.onnx"), (changed_pt2, r"model\.pt2")],
    ids=["weights", "onnx", "pt2"],
)
@pytest.mark.filterwarnings("ignore")
def test_a_form_of_another_network_is_noticed(parts: bundle.Parts, copied: Path, change: Any, form: str) -> None:
    change(copied)
    with pytest.raises(checking.Disagrees, match=f"^{form} differs from the trained network by"):
        checking.checked(copied, parts, trainer.finished(parts.job))


@pytest.mark.parametrize(
    ("file", "old", "new", "form"),
    [
        ("model.py", "MEAN = (4", "MEAN = (5", r"model\.py's preprocess"),
        ("preprocess.json", "4.8", "5.8", r"predict\.py's preprocess"),
    ],
    ids=["model.py", "preprocess.json"],
)
def test_a_wrong_preprocess_is_noticed(copied: Path, file: str, old: str, new: str, form: str) -> None:
    text = (copied / file).read_text()
    assert old in text
    (copied / file).write_text(text.replace(old, new))
    raw = data.raw_images(DIGITS, "classification", "validation", 20)
    x = next(iter(data.load(DIGITS, "classification").validation.in_order(20)))[0]
    with pytest.raises(checking.Disagrees, match=f"^{form} differs"):
        checking.preprocessed(copied, raw, x)


def test_weights_that_do_not_give_the_metrics_are_refused(parts: bundle.Parts, tmp_path: Path) -> None:
    """One image off is too many, nothing is left behind, and the older bundle stays."""
    quick = replace(parts, without=QUICK)
    target, _ = bundle.write(tmp_path / "mine", replace(quick, texts=lambda evidence: {"card.md": "# Old\n"}))
    off = {**parts.metrics, "val_accuracy": parts.metrics["val_accuracy"] - 1 / 360}
    with pytest.raises(
        ValueError, match=r"val_accuracy of the weights is .* but the trial's row says .* train it again"
    ):
        bundle.write(target, replace(quick, metrics=off))
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (target / "card.md").read_text() == "# Old\n"


RECIPES: dict[str, dict[str, Any]] = {
    "swa": {"average": {"kind": "swa", "start": 0.5}},
    "views": {"test_augment": {"flip": True, "shift": 1}},
    "float64": {"precision": "float64"},
    "early": {"early_stopping": {"patience": 1, "metric": "val_accuracy"}, "epochs": 4},
    "one-vs-all": {"loss": "binary_cross_entropy"},
    "whitened": {"input": {"kind": "pca"}},
    "raw": {"input": {"kind": "raw", "permute": True}},
}


@pytest.mark.parametrize("name", [*RECIPES])
def test_what_a_recipe_keeps_is_what_is_exported(name: str, tmp_path: Path) -> None:
    """The averaged or the best weights, with outputs and inputs as the recipe means them, and one image off is seen."""
    own = trained(tmp_path / "trial", {"stages": [{"block": "plain", "width": 4, "norm": "batch"}]}, **RECIPES[name])
    own = replace(own, without=QUICK)
    target, evidence = bundle.write(tmp_path / "mine", own)
    told = json.loads((target / "preprocess.json").read_text())
    assert told["scores"] == ("sigmoid" if name == "one-vs-all" else "softmax")
    assert (target / "preprocess.safetensors").exists() == (name in ("whitened", "raw"))
    if name != "views":
        assert evidence.metrics["val_accuracy"] == pytest.approx(own.metrics["val_accuracy"])
    off = {**own.metrics, "val_accuracy": own.metrics["val_accuracy"] - 1 / 360}
    with pytest.raises(checking.Disagrees, match="val_accuracy of the weights is"):
        bundle.write(target, replace(own, metrics=off))


def test_an_image_between_two_classes_may_fall_either_way() -> None:
    outputs = torch.tensor([[1.0, 1.0 + 1e-6, 0.0], [3.0, 1.0, 0.0]])
    assert checking._ties(outputs, 1e-4) == 1
    assert checking._ties(outputs, 1e-9) == 0


def test_weights_of_another_study_in_the_same_folder_are_not_taken(parts: bundle.Parts, tmp_path: Path) -> None:
    other = replace(parts, job=replace(parts.job, seed=1))
    with pytest.raises(TrainingFailed, match="there are no final weights of this network; train it to its end"):
        bundle.write(tmp_path / "mine", other)
    assert not [*tmp_path.iterdir()]


def test_an_exporter_that_fails_is_one_sentence() -> None:
    def fails() -> None:
        raise RuntimeError("\nthere is no such operation\nand a long story\n")

    cure = (
        r"model\.onnx cannot be made of this network \(there is no such operation\); leave it out with --without onnx"
    )
    with pytest.raises(ValueError, match=cure):
        forms._form("model.onnx", fails)


def test_a_full_disk_is_an_error_of_the_disk(copied: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for form in ("pt2", "onnx"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                forms.export(copied, (1, 8, 8), None, frozenset({"pt2", "onnx"} - {form}))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_dense_bundle_slides(tmp_path: Path) -> None:
    """Its map of a canvas is every window cut out and classified, with torch and with ONNX Runtime alone."""
    stage = {"block": "plain", "width": 8, "padding": "valid", "norm": "batch", "pool": "max"}
    own = trained(tmp_path / "trial", {"stages": [stage], "head": {"pool": None, "hidden": [16]}})
    target, evidence = bundle.write(tmp_path / "mine", replace(own, dense=True))
    assert evidence.sliding == ((8, 8), (2, 2), True)
    assert evidence.differences["model.onnx on a larger input"] < 1e-5
    raw = data.raw_images(DIGITS, "classification", "validation", 6)[..., 0]
    canvas = np.concatenate([np.concatenate(list(raw[:3]), 1), np.concatenate(list(raw[3:]), 1)], 0)
    np.save(tmp_path / "canvas.npy", canvas)
    told = predicted(target, tmp_path / "canvas.npy", "--onnx", "--json", without=WITHOUT_TORCH)[0]
    network = trainer.finished(own.job).model.eval()
    x = bundle.read(target)["preprocess"](canvas[None, ..., None])
    wanted = checking.windows(network, x, evidence.sliding).softmax(1)
    assert np.array(told["map"]).astype(int).tolist() == wanted.argmax(1)[0].tolist()
    np.testing.assert_allclose(told["scores"], wanted.amax(1)[0].numpy(), atol=1e-5)
    with pytest.raises(ValueError, match=r"expected images of shape \(N, 8, 8, 1\) or larger, got \(1, 7, 9, 1\)"):
        bundle.read(target)["preprocess"](np.zeros((1, 7, 9, 1)))


def test_filters_that_are_not_shared_have_every_form(tmp_path: Path) -> None:
    local = {"block": "plain", "width": 4, "convolution": "local", "stride": 2}
    target, _ = bundle.write(tmp_path / "mine", trained(tmp_path / "trial", {"stages": [local]}))
    assert {path.name for path in target.iterdir()} == ALL


def test_series_regression_in_its_own_unit(tmp_path: Path) -> None:
    """Whitened series to two numbers: the matrix lies beside, and outputs are in the unit of the data."""
    random = np.random.default_rng(0)
    x = random.normal(size=(200, 16)).astype(np.float32)
    np.savez(tmp_path / "series.npz", x=x, y=np.stack([1000 + 50 * x[:, :3].sum(1), x[:, 4]], 1).astype(np.float32))
    own = trained(
        tmp_path / "trial",
        {"stages": [{"block": "plain", "width": 6}], "head": {"pool": None}},
        f"arrays:{tmp_path / 'series.npz'}",
        "regression",
        input={"kind": "zca", "permute": True},
    )
    target, evidence = bundle.write(tmp_path / "mine", replace(own, without=frozenset({"pt2"})))
    assert {path.name for path in target.iterdir()} == ALL - {"model.pt2"} | {"preprocess.safetensors"}
    assert evidence.metrics["val_mae"] == pytest.approx(own.metrics["val_mae"], rel=1e-4)
    assert [round(row[2], -1) for row in evidence.errors] == [pytest.approx(90, abs=20), pytest.approx(0, abs=2)]
    np.save(tmp_path / "one.npy", x[0])
    told = predicted(target, tmp_path / "one.npy", "--onnx", "--json", without=WITHOUT_TORCH)
    outputs = bundle.read(target)["load"](target / "weights.safetensors")(bundle.read(target)["preprocess"](x[:1]))
    assert told[0]["outputs"] == pytest.approx(outputs[0].tolist(), rel=1e-4)
    assert 300 < told[0]["outputs"][0] < 2000
    with pytest.raises(ValueError, match="--dense: inputs of kind zca are prepared as a whole"):
        bundle.write(tmp_path / "dense", replace(own, dense=True))


def test_numbers_in_a_unit_that_no_layer_can_take(tmp_path: Path) -> None:
    """Behind an activation the unit cannot be folded into weights, so predict.py brings outputs into it."""
    random = np.random.default_rng(1)
    x = random.normal(size=(60, 5, 5, 4)).astype(np.float32)
    np.savez(tmp_path / "volumes.npz", x=x, y=(x.sum((1, 2, 3)) * 10 + 500).astype(np.float32))
    own = trained(
        tmp_path / "trial",
        {"stages": [{"block": "plain", "width": 4}], "head": {"output_activation": "relu"}},
        f"arrays:{tmp_path / 'volumes.npz'}",
        "regression",
        batch_size=16,
    )
    target, _ = bundle.write(tmp_path / "mine", replace(own, without=QUICK))
    assert json.loads((target / "preprocess.json").read_text())["unit"]["mean"][0] == pytest.approx(500, abs=30)
    np.save(tmp_path / "one.npy", x[0])
    assert predicted(target, tmp_path / "one.npy", "--json")[0]["outputs"][0] > 300


@pytest.mark.parametrize(
    ("raw", "limit"),
    [
        ([0, 16], 16),
        ([0, 255], 255),
        ([0, 0.4], 1),
        ([0, 180.0], 255),
        ([0.5, 3.2], None),
        ([-1, 1], None),
        ([0], None),
    ],
)
def test_the_range_of_images_is_told_only_where_it_is_known(raw: list[float], limit: float | None) -> None:
    assert _brightest(np.array(raw)) == limit
