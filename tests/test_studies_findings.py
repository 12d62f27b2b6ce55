"""What was measured of a trial, in words: nothing is told that was not measured."""

from studies.findings import confused, findings

METRICS = {"val_accuracy": 0.9, "val_loss": 0.3}


def told(**measured: object) -> list[str]:
    return findings(measured, METRICS, "val_accuracy", ("cat", "dog", "owl"))


def test_nothing_measured_nothing_told() -> None:
    assert findings(None, METRICS, "val_accuracy", ()) == []
    assert told() == []


def test_the_fit_stands_beside_validation() -> None:
    assert told(fit={"examples": 1077, "fit_accuracy": 0.99, "fit_loss": 0.1}) == [
        "99.00 % fit_accuracy on 1,077 training examples as they are; validation is at 90.00 %"
    ]
    assert told(fit={"reason": "memory ran out"}) == ["fit: not measured (memory ran out)"]


def test_classes_and_mistakes_by_name() -> None:
    classes = {"class_accuracy": [0.9, 0.5, None], "confusion": [[9, 1, 0], [4, 5, 1], [0, 0, 0]], "examples": 20}
    assert told(classes=classes) == [
        "least accurate of 2 classes: dog (50.0 %), cat (90.0 %)",
        "most often taken: dog for cat (4), cat for dog (1), dog for owl (1)",
    ]
    assert confused([[3, 0], [0, 3]]) == []


def test_speed_memory_and_training() -> None:
    latency = {"batch_1": {"median": 0.5, "quartiles": [0.4, 0.6]}, "rounds": 9, "device": "cpu", "threads": 1}
    layers = {"batch": 128, "layers": [{"name": "a", "ms": 1.0}, {"name": "b", "ms": 2.5}]}
    memory = {"peak_bytes": 2_000_000, "of": "one training step, CPU allocator", "predicted_bytes": 1_900_000}
    assert told(images_per_second=13_000.0, latency=latency, layers=layers, memory=memory) == [
        "training: 13.0 k examples a second",
        "latency: 0.5 ms for 1 (medians of 9 rounds, cpu, 1 thread)",
        "slowest layers at batch 128: b 2.5 ms, a 1 ms",
        "memory to train: 2.00 MB at the peak (one training step, CPU allocator), 1.90 MB predicted",
    ]
    assert told(lr=0.2, lr_curve=[[0.1, 2.3]], best_epoch=4, notes=["a step was split in 2"]) == [
        "learning rate: 0.2, found by a range test",
        "the weights are those of epoch 4, the best on validation",
        "note: a step was split in 2",
    ]
    assert told(energy={"joules": None, "reason": "a cpu does not tell"}) == []
    assert told(energy={"joules": 5000.0, "of": "the whole GPU"}) == ["energy: 5.00 kJ of the whole GPU"]


def test_replicas_say_how_they_were_trained() -> None:
    assert told(replicas={"together": True, "ratio": 1.42, "replicas": 3}) == [
        "trained in the same steps as 2 other replicates, 1.4 times as fast as alone"
    ]
    assert told(replicas={"together": False, "ratio": None, "replicas": 3, "reason": "lbfgs looks at all"}) == [
        "trained alone: lbfgs looks at all"
    ]
