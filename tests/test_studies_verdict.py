"""Verdicts: what the sentences say of readings that are made up, number by number."""

from typing import Any

from readings import BOTH, MATCH, about, cell, cells, contrast, design, interaction, reading, spec

from studies.analysis.results import CellResult, Contrast, Errors, FailureTable, Flip, PowerLaw, Share, Trend, Untuned
from studies.statistics import estimate
from studies.verdict import as_text, headline, verdict

GRID = [
    cell({"depth": depth, "kernel": kernel}, [0.9 + 0.01 * depth + 0.001 * seed for seed in range(3)])
    for depth in (1, 4)
    for kernel in (3, 5)
]
CLEAR = contrast("depth", 1, 4, 0.015)


def told(*arguments: Any, study: Any = None, images: int = 360, **more: Any) -> str:
    return "\n".join(verdict(study or spec(), reading(*arguments, **more), images))


def test_a_clear_effect_with_its_setting_and_limits() -> None:
    text = told(cells(1, 4), [CLEAR], study=spec(design=design(match=MATCH)))
    assert text.startswith("At equal MACs (2 M within 4%), depth: 4 is better than 1 by 1.5 points [1.2, 1.8].\n")
    assert "2 cells of 3 seeds, MACs held at 2 M within 4%. Compared is val_accuracy of the last epoch, seed" in text
    assert "With 360 validation images an accuracy of 91.0% has a standard error of 1.51 points" in text
    assert "standard error" not in told(cells(1, 4), [CLEAR], images=0)


def test_better_follows_the_metric() -> None:
    study = spec(task="regression", data={"source": "arrays:x.npz"})
    text = told(cells(1, 2), [contrast("depth", 1, 2, -0.0198, half_width=0.00075)], study=study, margin=None)
    assert text.startswith("depth: 2 is better than 1 by 0.0198 [0.0191, 0.0206].\n")
    assert "Compared is val_mae (less is better) of" in text
    assert "points" not in text


def test_a_clear_difference_that_does_not_matter() -> None:
    one = contrast("depth", 1, 2, 0.002, half_width=0.001, tie=0.001)
    head = "depth: 2 is better than 1 by 0.20 points [0.10, 0.30], less than the 0.5 that matters."
    assert headline(spec(), reading(cells(1, 2), [one])) == head


def test_ties_are_told_in_groups() -> None:
    found = [contrast("depth", *pair, 0.001, p=0.6, tie=0.01) for pair in ((1, 2), (1, 4), (2, 4))]
    assert headline(spec(), reading(cells(1, 2, 4), found)) == "depth: 1, 2 and 4 tie within 0.5 points."


def test_an_interval_that_ends_near_zero_does_not_end_at_zero() -> None:
    text = told(cells(1, 4), [contrast("depth", 1, 4, 0.00304)])
    assert "by 0.304 points [0.004, 0.604]" in text


def test_one_seed_says_nothing() -> None:
    text = told([cell({"depth": 1}, [0.9]), cell({"depth": 4}, [0.99])], [contrast("depth", 1, 4, 0.09, None, n=1)])
    assert text.startswith(
        "So far (2 of 6 trials), depth: one seed says nothing of the noise, so nothing can be told; "
    )
    assert "better" not in text


def test_seeds_that_agree_exactly_say_nothing_of_the_noise() -> None:
    one = Contrast("depth", 1, 4, estimate([0.05, 0.05, 0.05]), 1.0, tie=1.0)
    assert "the seeds agree to the last digit, so their noise cannot be judged; add seeds." in told(cells(1, 4), [one])


def test_holm_holds_back_what_an_interval_alone_would_say() -> None:
    text = told(cells(1, 4), [contrast("depth", 1, 4, 0.011, 0.12, half_width=0.009, n=3)], claims=3)
    assert "3 seeds cannot tell 4 from 1 (+1.1 points [+0.2, +2.0], which leaves zero out, but not after Holm's" in text
    assert "better" not in text


def test_without_a_pair_nothing_is_compared_and_nothing_yet_is_said() -> None:
    assert "depth: no two complete cells with a common seed differ in it alone" in told(cells(1, 4))
    assert told([cell({"depth": 1}, [])]) == "No trial is complete yet, so nothing can be said."


def test_an_effect_that_depends_on_a_third_level_is_only_averaged_where_it_keeps_its_sign() -> None:
    found = [CLEAR, contrast("kernel", 3, 5, -0.009)]
    both = [interaction(("depth", 1, 4), ("kernel", 3, 5), -0.015, 0.001)]
    turned = [
        cell(
            {"depth": depth, "kernel": kernel},
            [0.9 + (0.006 - 0.002 * kernel) * depth * sign + 0.001 * seed for seed in range(3)],
        )
        for depth, kernel, sign in ((1, 3, 0), (1, 5, 0), (4, 3, 1), (4, 5, 1))
    ]
    text = told(turned, found, study=spec(design=BOTH), interactions=both)
    assert text.startswith("The effect of depth depends on kernel: 4 against 1 is ")
    assert "4 is better than 1" not in text
    assert "5 is better" not in text


def test_no_clear_interaction_shows_no_additivity() -> None:
    both = [interaction(("depth", 1, 4), ("kernel", 3, 5), 0.002, 0.5)]
    text = told(GRID, [CLEAR], study=spec(design=BOTH), interactions=both, best=("depth=4, kernel=3",))
    assert (
        "No interaction can be told; the largest, depth (4 against 1) by kernel (5 against 3), is +0.2 points" in text
    )
    assert "The best cell (95 %): depth=4, kernel=3." in text


def test_a_raw_gain_that_cannot_be_told_at_equal_cost() -> None:
    one, raw = contrast("depth", 1, 4, -0.001, 0.4, tie=0.3), contrast("depth", 1, 4, 0.009)
    study = spec(design=design(match=MATCH, raw={"width": 24}))
    text = told(cells(1, 4), [one], study=study, raw=(raw,), flips=(Flip(one, raw, False),))
    assert (
        "depth: 4 is better than 1 by 0.9 points [0.6, 1.2] as they stand; at equal MACs this cannot be told (" in text
    )


def test_failures_that_a_claim_stands_against_and_those_by_chance() -> None:
    table = FailureTable("depth", {1: (0, 5), 4: (3, 5)}, 0.03, {"out_of_memory": 3}, True)
    text = told(cells(1, 4), [CLEAR], failures=(table,))
    assert (
        "3 of 5 trials at depth 4 failed (out of memory), none elsewhere: what is left are survivors. What is" in text
    )
    tie, lost = contrast("depth", 1, 4, 0.0, 0.9, tie=0.01), {4: "worker_lost"}
    table = FailureTable("depth", {1: (0, 5), 4: (1, 5)}, 1.0, {"worker_lost": 1}, True)
    text = told([cell({"depth": 1}), cell({"depth": 4}, failed=lost)], [tie], failures=(table,))
    assert "1 and 4 tie within" in text
    assert "Failed trials, which may not be missing at random: depth=4 (1: worker lost)." in text


def test_why_a_level_is_worse() -> None:
    def why(training: float, gap: float) -> str:
        parts = (about(-training - gap), about(-training), about(-gap))
        return told(cells(1, 4), [CLEAR], errors=(Errors("depth", 1, 4, *parts, "train_accuracy"),))

    assert "1 is worse than 4 mostly because it trains worse: training error +1.4 and gap to it +0.1 of +1.5" in why(
        0.014, 0.001
    )
    assert "1 is worse than 4 because it carries over worse to new examples, though it trains better:" in why(
        -0.01, 0.025
    )
    assert "because it trains worse and carries over worse" in why(0.008, 0.007)


def test_doubling_best_level_and_shares() -> None:
    found = [contrast("depth", 1, 2, 0.009), CLEAR, contrast("depth", 2, 4, 0.006, 0.2)]
    trend, shares = Trend("depth", about(0.0075), 4, (2, 4)), (Share("depth", 0.6, 0.01), Share("seed", 0.4, 0.004))
    text = told(cells(1, 2, 4), found, trends=(trend,), shares=shares)
    assert "The best depth is 2 or 4 (95 % set).\nEach doubling of depth changes val_accuracy by +0.8 points" in text
    assert "Of the variance of single trials 60% goes with depth and 40% with the seed." in text
    assert "cannot tell 4 from 2" in text


def test_a_law_that_is_not_settled() -> None:
    law = PowerLaw((250, 500, 1000), 2.0, (0.4, 0.01, 10.0), (0.0, 0.0, 0.1), (), "cannot tell")
    text = told(cells(1, 4), [CLEAR], law=law)
    assert "How the error goes with more examples is not settled by 3 sizes; more of them, or more seeds, may." in text


def test_added_seeds_and_where_they_were_not_enough() -> None:
    until = {"until": {"half_width": "0.3%"}, "at_most": 20}
    wide = CellResult("depth=4", {"depth": 4}, {}, {}, {seed: 0.9 + 0.02 * (seed % 2) for seed in range(20)}, first=5)
    text = told(
        [cell({"depth": 1}, [0.9, 0.901] * 3, first=5), wide], [CLEAR], study=spec(design=design(replicates=until))
    )
    assert (
        "Seeds were added by their spread (Stein), 6 to 20 a cell; +-0.3 points of each mean was not reached in" in text
    )
    assert "depth=4 (+-0.68)" in text


def test_what_is_not_held_and_what_is_missing() -> None:
    high = cell({"depth": 4}, costs={"macs": 101, "params": 31, "activations": 11, "field": [9, 5]})
    low = cell({"depth": 1}, costs={"macs": 100, "params": 10, "activations": 11, "field": 3})
    gone = cell({"depth": 9}, [], reason="2 M macs are out of reach")
    text = told([low, high, gone], [CLEAR], study=spec(design=design(match=MATCH, replicates=5)))
    assert "over the cells vary parameters 3.1-fold and receptive field 3-fold." in text
    assert "Cells that could not be: depth=9 (2 M macs are out of reach)." in text
    assert "6 of 10 trials are complete and 4 to come; contrasts use the seeds and cells that both levels have." in text


def test_levels_that_are_words_or_sections() -> None:
    batch, none = {"kind": "batch", "place": "before_activation"}, None
    found = [cell({"norm": level}) for level in (none, batch)]
    study = spec(design=design(factors=["norm"]))
    assert headline(study, reading(found, [contrast("norm", none, batch, 0.015)])).startswith(
        "norm: batch is better than none"
    )
    after = {"kind": "batch", "place": "after_activation"}
    text = headline(study, reading([*found, cell({"norm": after})], [contrast("norm", batch, after, 0.015)]))
    assert "'place': 'after_activation'} is better than {'kind': 'batch', 'place': 'before_activation'}" in text


def test_values_as_text() -> None:
    assert [as_text(0.98765, "val_accuracy"), as_text(0.0123456, "val_mae")] == ["98.77 %", "0.01235"]


def test_mostly_needs_two_thirds_that_are_surely_more_than_the_other_part() -> None:
    def why(training: list[float], gap: list[float]) -> str:
        whole = [one + two for one, two in zip(training, gap, strict=True)]
        parts = (estimate([-one for one in values]) for values in (whole, training, gap))
        return told(cells(1, 4), [CLEAR], errors=(Errors("depth", 1, 4, *parts, "train_accuracy"),))

    assert "mostly because it trains worse" in why([0.03, 0.031, 0.029, 0.03], [0.01, 0.011, 0.01, 0.009])
    assert "because" not in why([0.03, 0.045, 0.02, 0.03], [0.01, -0.006, 0.021, 0.01]), "the parts are not told apart"
    both = why([0.02, 0.0201, 0.0199, 0.02], [0.024, 0.0241, 0.0239, 0.024])
    assert "worse than 4 because it trains worse and carries over worse" in both
    assert "mostly because it carries over worse" in why([0.01, 0.0101, 0.0099, 0.01], [0.04, 0.0401, 0.0399, 0.04])


def test_what_stays_open_has_its_effect_and_interval() -> None:
    found = [contrast("depth", 1, 4, 0.002, 0.4), contrast("kernel", 3, 5, 0.009, 0.2)]
    text = told(GRID, found, study=spec(design=BOTH), claims=3)
    assert text.startswith("These seeds cannot tell any effect of depth or kernel.\n")
    assert "depth: cannot tell 4 from 1 (+0.2 points [-0.1, +0.5])." in text
    assert "5 from 3 (+0.9 points [+0.6, +1.2], which leaves zero out, but not after Holm's correction for 3" in text


def test_long_lists_are_cut() -> None:
    levels = range(1, 13)
    pairs = [(low, high) for low in levels for high in levels if low < high]
    lost = tuple(f"kernel={size}" for size in range(9))
    found = [contrast("depth", *pair, 0.001, 0.5 if (sum(pair) % 3) else 0.001, left_out=lost) for pair in pairs]
    text = told(cells(*levels), found, claims=len(found))
    assert "more such" in text
    assert "at kernel=0 and at kernel=1 and at kernel=2 and at and 6 more" not in text
    assert "at kernel=0 and at kernel=1 and at kernel=2 and 6 more" in text
    assert max(len(line) for line in text.splitlines()) < 2_000


def test_each_doubling_needs_the_claim_that_the_ends_differ() -> None:
    trend = Trend("depth", about(0.0075), 4, (2, 4))
    found = [contrast("depth", 1, 2, 0.015), contrast("depth", 1, 4, 0.009, 0.2), contrast("depth", 2, 4, -0.006, 0.2)]
    assert "Each doubling" not in told(cells(1, 2, 4), found, trends=(trend,))


def test_the_best_levels_never_contradict_a_claim() -> None:
    trend = Trend("depth", about(0.0075), 4, (1, 2, 4))
    found = [contrast("depth", 1, 2, 0.009), CLEAR, contrast("depth", 2, 4, 0.006, 0.2)]
    text = told(cells(1, 2, 4), found, trends=(trend,))
    assert "may be the best" not in text
    assert "the best depth" not in text.lower()


def test_one_at_a_time_is_not_averaged() -> None:
    study = spec(design={**BOTH, "layout": "one_at_a_time"})
    assert "seed by seed, with the other factor at the baseline; in" in told(GRID, [CLEAR], study=study)
    assert "brackets" not in told(GRID, [], study=study), "nothing stands in brackets"


def test_what_cannot_be_compared_is_said_once() -> None:
    assert told(GRID, [], study=spec(design=BOTH)).count("no two complete cells") == 1


def test_an_interaction_that_holm_holds_back_says_so() -> None:
    both = [interaction(("depth", 1, 4), ("kernel", 3, 5), 0.009, 0.07)]
    text = told(GRID, [CLEAR], study=spec(design=BOTH), interactions=both, claims=3)
    assert "is +0.9 points [+0.6, +1.2], which leaves zero out, but not after Holm's correction for 3 claims" in text


def test_laws_say_no_more_than_they_show() -> None:
    def law(regime: str) -> str:
        found = PowerLaw((250, 500, 1000), 2.0, (0.4, 0.3, 0.5), (0.04, 0.03, 0.05), (), regime)
        return told(cells(1, 4), [CLEAR], law=found)

    assert "more than half of what is left would stay with any number of examples" in law("near its floor")
    assert "no power law is told" in law("small data")
    assert "n^-b" not in law("small data")


def test_a_tie_whose_95_interval_reaches_past_the_margin_shows_what_was_tested() -> None:
    def tie(half_width: float) -> str:
        found = contrast("depth", 1, 4, 0.0012, 0.4, tie=0.04, half_width=half_width)
        return headline(spec(), reading(cells(1, 4), [found]))

    assert tie(0.0042) == "depth: 1 and 4 tie within 0.5 points (+0.1 points [-0.2, +0.4], 90 %)."
    assert tie(0.003) == "depth: 1 and 4 tie within 0.5 points (+0.1 points [-0.2, +0.4])."


def test_what_added_seeds_can_see_rests_on_the_first_stage() -> None:
    values = [0.01 * (-1) ** seed for seed in range(20)]
    early, whole = (Contrast("depth", 1, 4, estimate(values, first=first), 0.9) for first in (4, None))
    told_early, told_whole = (told(cells(1, 4), [one]) for one in (early, whole))
    least = [float(text.split("can see differences from ")[1].split()[0]) for text in (told_early, told_whole)]
    assert least[0] > 1.25 * least[1]


def test_a_second_stage_that_has_not_ended_is_said_to_be_so_far() -> None:
    adaptive = {"until": {"half_width": "0.5%"}, "at_least": 3, "at_most": 9}
    study = spec(design=design(replicates=adaptive))

    def text(many: int) -> str:
        values = [0.9 + 0.01 * (seed % 3) for seed in range(many)]
        found = [cell({"depth": depth}, values, first=3) for depth in (1, 4)]
        return told(found, [CLEAR], study=study)

    assert text(2).startswith("So far (4 of 6 trials), depth: 4 is better"), "the first stage decides once it has ended"
    assert text(5).startswith("So far (10 of 18 trials), depth: 4 is better")
    assert "Seeds were added" not in text(5)
    assert text(9).startswith("depth: 4 is better")
    assert "Seeds were added by their spread (Stein), 9 a cell" in text(9)


def test_when_all_trials_failed_none_is_awaited() -> None:
    lost = [cell({"depth": depth}, [], failed={0: "diverged", 1: "diverged", 2: "diverged"}) for depth in (1, 4)]
    text = told(lost)
    assert text.startswith("6 trials failed and none is complete, so nothing can be said.\n")
    assert "depth=1 (3: diverged)" in text


def test_tuning_trials_that_failed_are_told() -> None:
    study = spec(design=design(tune={"lr": [0.1, 0.4]}))
    lost = Untuned("depth=4", {"lr": 0.4}, {"diverged": 2})
    sentence = "2 tuning trials failed, so a cell could not be had at that setting: depth=4 at lr=0.4 (diverged)."
    assert sentence in told(cells(1, 4), [CLEAR], study=study, untuned=(lost,))


def test_the_best_of_one_factor_of_words_is_told() -> None:
    some = tuple(cell({"act": one}) for one in ("elu", "gelu", "relu"))
    text = told(
        some, [contrast("act", "elu", "gelu", 0.02)], study=spec(design={"factors": ["act"]}), best=("act=gelu",)
    )
    assert "The best cell by comparisons with the best alone (95 %): act=gelu." in text


def test_levels_of_text_stand_as_they_are() -> None:
    some = tuple(cell({"kind": one}) for one in ("it's", "a, b"))
    one = contrast("kind", "it's", "a, b", 0.02)
    assert headline(spec(design={"factors": ["kind"]}), reading(some, [one])).startswith(
        "kind: 'a, b' is better than it's"
    )


def test_seeds_that_agree_tell_no_noise() -> None:
    one = Contrast("depth", 1, 4, estimate([0.25, 0.25, 0.25]), 1.0)
    text = headline(spec(), reading(cells(1, 4), [one]))
    assert "depth: all 3 seeds give the same (4 against 1: +25.0 points" in text


def test_one_level_and_many_have_their_words() -> None:
    some = tuple(cell({"depth": depth, "kernel": 3}) for depth in (1, 2, 7, 8))
    opened = [contrast("depth", *pair, 0.001, 0.9) for pair in ((1, 8), (2, 8), (2, 7), (7, 8), (1, 7), (1, 2))]
    text = told(some, opened, study=spec(design=BOTH))
    assert "kernel: it has one level in this study, so nothing can be compared" in text
    assert "cannot tell 1, 2, 7 and 8 apart" in text


def test_no_share_of_variance_from_one_seed() -> None:
    some = [cell({"depth": 1}, [0.9]), cell({"depth": 4}, [0.99])]
    parts = (Share("depth", 0.9, 0.05), Share("rest", 0.1, 0.01))
    assert "Of the variance" not in told(some, shares=parts)
    assert "Of the variance" in told(cells(1, 4), shares=parts)
