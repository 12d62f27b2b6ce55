"""What was measured once per trial, as lines of text: how well it fits, where it errs, how fast it is, what it held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from searchspace.language.units import human
from studies.verdict import as_text

Found = Mapping[str, Any]
FEW = 3
"""Classes, mistakes and layers that a line names."""


def findings(measured: Found | None, metrics: Found, metric: str, labels: Sequence[str]) -> list[str]:
    """One line for each kind of measurement that the trial has."""
    if not measured:
        return []
    parts = [
        *_fit(measured.get("fit") or {}, metrics, metric),
        *_classes(measured.get("classes") or {}, labels),
        *_shifts(measured.get("shifts") or {}),
        *_speed(measured),
        *_memory(measured.get("memory") or {}),
        *_energy(measured.get("energy") or {}),
        *_training(measured),
    ]
    return [*parts, *(f"note: {note}" for note in measured.get("notes") or ())]


def _fit(fit: Found, metrics: Found, metric: str) -> list[str]:
    """What it lacks on its own training examples, and what validation lacks beyond that."""
    name = metric.replace("val_", "fit_", 1)
    value, other = fit.get(name), metrics.get(metric)
    if value is None or other is None:
        return _unmeasured("fit", fit)
    seen = f"{as_text(value, name)} {name} on {fit['examples']:,} training examples as they are"
    return [f"{seen}; validation is at {as_text(other, metric)}"]


def _classes(classes: Found, labels: Sequence[str]) -> list[str]:
    """The classes that are recognized least, and the commonest mistakes."""
    accuracy = [(value, number) for number, value in enumerate(classes.get("class_accuracy", ())) if value is not None]
    if not accuracy:
        return _unmeasured("classes", classes)

    def label(number: int) -> str:
        return labels[number] if number < len(labels) else str(number)

    least = ", ".join(f"{label(number)} ({100 * value:.1f} %)" for value, number in sorted(accuracy)[:FEW])
    lines = [f"least accurate of {len(accuracy)} classes: {least}"]
    wrong = classes.get("confused") or confused(classes.get("confusion") or [])
    if wrong:
        told = ", ".join(f"{label(was)} for {label(taken)} ({often})" for was, taken, often in mistaken(wrong))
        lines.append(f"most often taken: {told}")
    return lines


def mistaken(wrong: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
    """The commonest few mistakes: class, what it was taken for, how often."""
    return [(was, taken, often) for was, taken, often in wrong[:FEW]]


def confused(matrix: Sequence[Sequence[int]]) -> list[tuple[int, int, int]]:
    """All mistakes of a confusion matrix (rows: classes, columns: what they were taken for), commonest first."""
    found = [
        (was, taken, often)
        for was, row in enumerate(matrix)
        for taken, often in enumerate(row)
        if was != taken and often
    ]
    return sorted(found, key=lambda one: -one[2])


def _shifts(shifts: Found) -> list[str]:
    rows = shifts.get("by_pixels")
    if not rows:
        return _unmeasured("shifts", shifts)
    name = f"val_{shifts['metric']}"
    told = ", ".join(f"{row['pixels']}: {as_text(row['mean'], name)}" for row in rows)
    return [f"{shifts['metric']} of images moved by so many pixels: {told} (means of all directions)"]


def _speed(measured: Found) -> list[str]:
    rate, latency, layers = (measured.get(name) for name in ("images_per_second", "latency", "layers"))
    lines = [f"training: {human(rate)} examples a second"] if rate else []
    if latency:
        lines += _latency(latency) or _unmeasured("latency", latency)
    if layers and layers.get("layers"):
        slowest = sorted(layers["layers"], key=lambda one: -one["ms"])[:FEW]
        told = ", ".join(f"{one['name']} {one['ms']:.3g} ms" for one in slowest)
        lines.append(f"slowest layers at batch {layers['batch']}: {told}")
    return lines


def _latency(latency: Found) -> list[str]:
    times = [(name.removeprefix("batch_"), told) for name, told in latency.items() if name.startswith("batch_")]
    if not times:
        return []
    told = ", ".join(f"{told['median']:.3g} ms for {size}" for size, told in times)
    threads = f"{latency['threads']} thread{'s' * (latency['threads'] != 1)}"
    return [f"latency: {told} (medians of {latency['rounds']} rounds, {latency['device']}, {threads})"]


def _memory(memory: Found) -> list[str]:
    peak = memory.get("peak_bytes")
    if peak is None:
        return _unmeasured("memory", memory)
    predicted = memory.get("predicted_bytes")
    beside = f", {human(predicted)}B predicted" if predicted else ""
    return [f"memory to train: {human(peak)}B at the peak ({memory['of']}){beside}"]


def _energy(energy: Found) -> list[str]:
    joules = energy.get("joules")
    return [f"energy: {human(joules)}J of {energy['of']}"] if joules is not None else []


def _training(measured: Found) -> list[str]:
    """How it was trained where the recipe left that open."""
    lines = [f"learning rate: {measured['lr']:.3g}, found by a range test"] if measured.get("lr_curve") else []
    if "best_epoch" in measured:
        lines.append(f"the weights are those of epoch {measured['best_epoch']}, the best on validation")
    replicas = measured.get("replicas") or {}
    if replicas.get("together"):
        ratio = f", {replicas['ratio']:.1f} times as fast as alone" if replicas.get("ratio") else ""
        lines.append(f"trained in the same steps as {replicas['replicas'] - 1} other replicates{ratio}")
    elif replicas.get("reason"):
        lines.append(f"trained alone: {replicas['reason']}")
    return lines


def _unmeasured(what: str, found: Found) -> list[str]:
    return [f"{what}: not measured ({found['reason']})"] if found.get("reason") else []
