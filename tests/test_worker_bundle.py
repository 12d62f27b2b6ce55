"""The bundle: complete, checked, usable without us, and never written over what is not ours."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from worker import bundle, data, trainer
from worker.datasource import DataSpec
from worker.job import Job, TrainingFailed

DIGITS = DataSpec(source="digits")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> bundle.Parts:
    folder = tmp_path_factory.mktemp("trial")
    stage = {"block": "residual", "width": 8, "norm": {"kind": "batch", "place": "after_activation"}}
    blueprint = {"stages": [stage], "head": {"dropout": 0.5}}
    job = Job(1, blueprint, {"epochs": 2}, {"source": "digits"}, "classification", 0, str(folder))
    list(trainer.train(job))
    return bundle.Parts(job, trainer.validate(job), "stages: []\n", "# Card\n", "A network.")


def test_a_bundle_is_whole_and_right(parts: bundle.Parts, tmp_path: Path) -> None:
    target = bundle.write(tmp_path / "deep" / "mine", parts)
    assert {path.name for path in target.iterdir()} == bundle.FILES
    assert [path.name for path in target.parent.iterdir()] == ["mine"]
    assert (target / "card.md").read_text() == "# Card\n"
    assert load_file(target / "weights.safetensors").keys() == trainer.finished(parts.job).model.state_dict().keys()
    assert bundle.read(target)["CLASSES"] == tuple("0123456789")


def test_a_bundle_needs_nothing_of_ours(parts: bundle.Parts, tmp_path: Path) -> None:
    target = bundle.write(tmp_path / "mine", parts)
    raw = data.raw_images(DIGITS, "classification", "validation", 5)
    save_file({"images": torch.from_numpy(raw).contiguous()}, tmp_path / "images.safetensors")
    script = (
        "import sys; from safetensors.torch import load_file; import model;"
        "images = load_file('../images.safetensors')['images'];"
        "print(model.load()(model.preprocess(images)).argmax(1).tolist());"
        "assert not {'worker', 'searchspace', 'pydantic'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=target, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    model = bundle.read(target)["load"](target / "weights.safetensors")
    expected = model(data.load(DIGITS, "classification").validation_x[:5]).argmax(1)
    assert done.stdout.strip() == str(expected.tolist())


def test_an_older_bundle_is_replaced(parts: bundle.Parts, tmp_path: Path) -> None:
    target = bundle.write(tmp_path / "mine", parts)
    bundle.write(target, replace(parts, card="# New\n"))
    assert (target / "card.md").read_text() == "# New\n"
    (tmp_path / "empty").mkdir()
    assert bundle.write(tmp_path / "empty", parts).joinpath("model.py").exists()


@pytest.mark.parametrize("name", ["notes.txt", "model.py"])
def test_nothing_else_is_written_over(parts: bundle.Parts, tmp_path: Path, name: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("precious")
    for target in (tmp_path / "mine", tmp_path / "mine" / name):
        with pytest.raises(ValueError, match="is not a bundle of ours; choose another folder or remove it"):
            bundle.write(target, parts)
    assert (tmp_path / "mine" / name).read_text() == "precious"


def test_weights_of_another_network_are_noticed(parts: bundle.Parts, tmp_path: Path) -> None:
    target = bundle.write(tmp_path / "mine", parts)
    weights = load_file(target / "weights.safetensors")
    save_file({name: value * 1.01 for name, value in weights.items()}, target / "weights.safetensors")
    with pytest.raises(ValueError, match=r"model\.py differs from the trained network by"):
        bundle._check(target, parts)


def test_a_wrong_preprocess_is_noticed(parts: bundle.Parts, tmp_path: Path) -> None:
    target = bundle.write(tmp_path / "mine", parts)
    text = (target / "model.py").read_text()
    (target / "model.py").write_text(text.replace("MEAN = (4", "MEAN = (5"))
    with pytest.raises(ValueError, match=r"model\.py's preprocess differs"):
        bundle._check(target, parts)


def test_weights_that_do_not_give_the_metrics_are_refused(parts: bundle.Parts, tmp_path: Path) -> None:
    other = replace(parts, metrics={name: value / 2 for name, value in parts.metrics.items()})
    with pytest.raises(ValueError, match=r"the weights give val_.* but the trial's row says .* so train it again"):
        bundle.write(tmp_path / "mine", other)


def test_weights_of_another_study_in_the_same_folder_are_not_taken(parts: bundle.Parts, tmp_path: Path) -> None:
    other = replace(parts, job=replace(parts.job, seed=1))
    with pytest.raises(TrainingFailed, match="there are no final weights of this network; train it to its end"):
        bundle.write(tmp_path / "mine", other)


def test_a_bundle_that_was_imported_is_still_a_bundle(parts: bundle.Parts, tmp_path: Path) -> None:
    target = bundle.write(tmp_path / "mine", parts)
    (target / "__pycache__").mkdir()
    bundle.write(target, parts)
    assert not (target / "__pycache__").exists()
