"""What commands print: tables that line up, numbers as people read them, rows with holes in them."""

from collections.abc import Callable
from typing import Any

import pytest

from studies import screens
from studies import text as words
from studies.candidate import Study, candidate, described
from studies.design.screens import results


def test_a_table_puts_text_to_the_left_and_numbers_to_the_right() -> None:
    lines = words.table(["name", "n"], [["a", 5], ["bcdef", 12], ["c", None]])
    assert lines == ["name    n", "-----  --", "a       5", "bcdef  12", "c"]
    assert words.table(["a"], []) == ["a", "-"]


@pytest.mark.parametrize(
    ("mean", "half", "metric", "text"),
    [
        (0.98612, 0.0042, "val_accuracy", "98.61 % +- 0.42"),
        (0.98612, None, "val_accuracy", "98.61 % (n = 1)"),
        (0.01234, 0.00123, "val_mae", "0.01234 +- 0.0012"),
        (0.98889, 0.0, "val_accuracy", "98.89 % (all seeds agree)"),
        (0.8333, 1.9059, "val_accuracy", "83.33 % +- 190.59"),
    ],
)
def test_intervals(mean: float, half: float | None, metric: str, text: str) -> None:
    assert words.interval(mean, half, metric) == text
    assert words.interval(0.98889, 0.0, "val_accuracy", 2) == "98.89 % (all 2 seeds agree)"


def test_an_assignment() -> None:
    assert words.assignment({"depth": 2, "lr": 0.081234, "block": "plain"}) == "depth=2 lr=0.0812 block=plain"


def row(**more: Any) -> dict[str, Any]:
    """A search trial's row."""
    base = {"number": 0, "phase": "search", "state": "complete", "value": 0.9, "macs": 1_000, "params": 10}
    base |= {"train_seconds": 1.25, "failure_kind": None, "reason": None, "repeat_of": None, "seed": 7, "cell": None}
    return {**base, "assignment": {"width": 4}, "attempts": 1, "measured": None, "metrics": None, **more}


STUDY = {
    "name": "tiny",
    "kind": "search",
    "state": "running",
    "leased": True,
    "note": None,
    "metric": "val_accuracy",
    "conclusion": None,
    "baselines": None,
}


def test_a_study_with_trials_of_every_kind(tiny: Callable[..., Study]) -> None:
    trials = [
        row(),
        row(number=1, state="running", value=None),
        row(number=2, state="failed", value=None, failure_kind="diverged", reason="the loss is nan"),
        row(number=3, repeat_of=0),
        row(number=4, state="infeasible", value=None, macs=None, params=None),
        row(number=5, phase="confirm", cell="0", seed=9),
    ]
    lines = screens.study(tiny(), STUDY, trials)
    text = "\n".join(lines)
    assert lines[0] == "tiny (search, running)"
    assert "False" not in text
    assert "None" not in text
    assert "diverged: the loss is nan" in text
    assert "and 1 that took the result of a trial of the same network" in text
    assert "trial 0 again, width=4 seed 9" in text
    assert "and 1 that were counted and not trained" in text
    assert "no winner yet" in text


CONCLUSION: dict[str, Any] = {
    "metric": "val_accuracy", "trial": 3, "assignment": {"width": 4}, "search_value": 0.95, "optimism": 0.02,
    "opened": 1, "finalists": 3,
    "fresh": {"n": 3, "mean": 0.93, "half_width": 0.01}, "costs": {"params": 1200, "macs": 2_000_000},
    "test": {"test_accuracy": {"n": 3, "mean": 0.92, "half_width": 0.02}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("metric", "optimism", "words"),
    [
        ("val_accuracy", 0.02, "optimistic by 2.00 points"),
        ("val_accuracy", -0.02, "pessimistic by 2.00 points"),
        ("val_accuracy", 0.0, "exact"),
        ("val_mae", -0.02, "optimistic by 0.02"),
        ("val_mae", 0.02, "pessimistic by 0.02"),
    ],
)
def test_an_honest_winner(metric: str, optimism: float, words: str) -> None:
    text = "\n".join(screens.winner({"conclusion": {**CONCLUSION, "metric": metric, "optimism": optimism}}))
    assert f"so the search was {words}" in text
    assert "winner: trial 3: width=4" in text
    assert "test_accuracy: 92.00 % +- 2.00 (read once, n = 3 seeds)" in text
    assert "cost: 1.20 k params, 2.00 M macs for one input" in text


def test_a_design_with_cells_that_have_no_value(tiny: Callable[..., Study]) -> None:
    study = tiny("design")
    rows = []
    for number, (width, kernel) in enumerate((w, k) for w in (2, 3, 4) for k in (1, 3)):
        made = described(candidate(study, {"width": width, "kernel": kernel}))
        value = 0.9 + width / 100 if width < 4 else None
        rows.append(row(**made, cell=f"width={width}, kernel={kernel}", phase="design", number=number, value=value,
                        replicate=0, state="complete" if value else "queued"))  # fmt: skip
    text = "\n".join(results(study, rows))
    assert "kernel 1" in text
    assert "width 4" in text
    assert "92.00 % (n = 1)" in text
    assert "4 of 12 trials are complete" in text


def test_one_trial(tiny: Callable[..., Study]) -> None:
    epochs = [
        {"epoch": 1, "metrics": {"val_accuracy": 0.5, "val_loss": 1.25}},
        {"epoch": 2, "metrics": {"val_loss": "nan"}},
    ]
    lines = screens.trial(tiny(), STUDY, row(), epochs)
    assert lines[0] == "trial 0 of tiny (search, complete, attempts: 1)"
    assert [line.split() for line in lines[-2:]] == [["1", "50.00", "%", "1.25"], ["2", "nan"]]
    assert screens.trial(tiny(), STUDY, row(reason="why"), [])[-1] == "no epoch yet"


def test_an_empty_store() -> None:
    assert screens.studies([]) == ["the store holds no study yet; `archstudy run STUDY.yaml` makes one"]


def test_a_study_without_its_conductor_is_interrupted() -> None:
    assert screens.state(STUDY) == "running"
    assert screens.state(STUDY | {"leased": False}) == "interrupted"
    assert screens.state(STUDY | {"state": "complete", "leased": False}) == "complete"


def test_a_winner_says_how_it_was_chosen_and_how_often_the_test_split_was_opened() -> None:
    many = "\n".join(screens.winner({"conclusion": CONCLUSION | {"opened": 2}}))
    assert "(95 %, n = 3; the best of 3 networks, so itself a little too good)" in many
    assert "(read with 2 networks of this study, so no longer fresh, n = 3 seeds)" in many
    alone = "\n".join(screens.winner({"conclusion": CONCLUSION | {"finalists": 1}}))
    assert "(95 %, n = 3)" in alone
