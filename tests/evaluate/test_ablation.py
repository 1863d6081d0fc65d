"""A step is worth what models lose without it; what is measured never rests on pairs that a model was fitted on."""

import numpy as np
import polars as pl
import pytest
from builds import CREATED_AT, Notes, made_repository, pipeline_file

from themis_data.build import build
from themis_data.errors import EvaluationError, PipelineError
from themis_data.evaluate.ablation import Trial, _compared, _with_system, ablate
from themis_data.evaluate.features import LengthFeatures, TokenFeatures
from themis_data.pipeline import load_pipeline

CRITERIA = ("functional_correctness", "memory_efficiency")


def pairs(count, sides, *, groups=20, start=0):
    """Pairs whose sides `sides(number)` gives, in two criteria by turns."""
    numbers = range(start, start + count)
    return _with_system(
        pl.DataFrame(
            {
                "row_id": [f"{number:06}" for number in numbers],
                "criterion": [CRITERIA[number % 2] for number in numbers],
                "language": ["Python"] * count,
                "group": [f"repository {number % groups}" for number in numbers],
                "prompt": [f"task {number}" for number in numbers],
                "chosen": [sides(number)[0] for number in numbers],
                "rejected": [sides(number)[1] for number in numbers],
                "criterion_conflict": [None] * count,
            },
            schema_overrides={"criterion_conflict": pl.Boolean},
        )
    )


def honest(number):
    return f"a = {number}\ngood\n", f"a = {number}\npoor\n"


def compared(trial=None, gold=None, **built):
    return _compared(built, gold, trial or Trial(features=TokenFeatures()), note=lambda _: None)


def test_wrong_labels_that_a_step_drops_are_what_it_is_worth():
    whole = pairs(200, honest)
    turned = pairs(600, lambda number: honest(number)[::-1], start=1_000)

    found = compared(whole=whole, without_filter=pl.concat([whole, turned]), without_nothing=whole)

    assert 1.0 == found["whole"]["accuracy"]["share"]
    assert 0.9 < found["without"]["without_filter"]["worth"]["low"]
    assert 0.0 == found["without"]["without_nothing"]["worth"]["mean"]
    assert 5 == len(found["fitted_on"]) and set(found["fitted_on"]) == {160}


def test_what_only_one_repository_has_tells_nothing():
    told_by_group = pairs(200, lambda number: (f"good{number % 20}\n", f"poor{number % 20}\n"))

    share = compared(whole=told_by_group)["whole"]["accuracy"]

    assert 0.5 == share["share"]
    assert (200, 20) == (share["pairs"], share["groups"])


def test_models_are_fitted_on_equal_numbers():
    few, many = pairs(100, honest), pairs(400, honest)
    found = compared(whole=few, without_filter=many)

    assert {80} == set(found["fitted_on"])
    assert (100, 400) == (found["whole"]["pairs"], found["without"]["without_filter"]["pairs"])


def test_length_alone_is_half_right_once_lengths_are_alike():
    longer = pairs(300, lambda number: ("xx\n", "x\n") if number % 10 else ("x\n", "xx\n"))

    found = compared(Trial(features=LengthFeatures()), whole=longer)["whole"]

    assert 0.9 == found["accuracy"]["share"]
    assert 0.5 == found["length_balanced"]["mean"]
    assert "length alone" not in found


def test_a_model_that_follows_the_criterion_turns_when_it_is_swapped():
    def by_criterion(number):
        return honest(number) if number % 2 else honest(number)[::-1]

    following = compared(whole=pairs(200, by_criterion))["whole"]
    deaf = compared(whole=pairs(200, honest))["whole"]

    assert 1.0 == following["accuracy"]["share"]
    assert 1.0 == following["swapped_criteria"]["turned"]["share"]
    assert 0.0 == following["swapped_criteria"]["accuracy"]["share"]
    assert 0.0 == deaf["swapped_criteria"]["turned"]["share"]
    assert 0.0 == deaf["shuffled_prompts"]["turned"]["share"]


def test_gold_is_tried_as_people_ordered_it():
    whole = pairs(200, honest)
    gold = pl.DataFrame({"row_id": ["000003", "000004", "999999"]}).join(
        whole.select("row_id", "chosen", "rejected"), on="row_id", how="left"
    )
    turned = gold.select("row_id", chosen=pl.col("rejected"), rejected=pl.col("chosen"))

    found = compared(whole=whole, gold=gold.drop_nulls())
    other = compared(whole=whole, gold=turned.fill_null("x"))

    assert (1.0, 2) == (found["whole"]["gold"]["share"], found["whole"]["gold"]["pairs"])
    assert (0.0, 1) == (other["whole"]["gold"]["share"], other["gold_left_out"])


def test_one_fold_is_tried_where_reading_is_costly():
    found = compared(Trial(features=TokenFeatures(), folds=5, tested=1), whole=pairs(200, honest))

    assert 40 == found["whole"]["accuracy"]["pairs"]
    assert [160] == found["fitted_on"]


def test_pairs_of_one_repository_make_the_interval_wide():
    sides = [honest(0), honest(0)[::-1]]
    lucky = pairs(400, lambda number: sides[number % 20 < 4])

    share = compared(whole=lucky)["whole"]["accuracy"]

    assert 0.8 == share["share"]
    assert 0.3 < share["high"] - share["low"]  # 0.08 if the pairs were independent


def test_too_few_groups_are_said():
    with pytest.raises(EvaluationError, match="3 groups"):
        compared(whole=pairs(30, honest, groups=3))


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ablated")
    made = [
        made_repository(folder / f"r{number}", num_commits=20, name=f"made{number}", since=1_400_000_000 + number)
        for number in range(4)
    ]
    return load_pipeline(str(pipeline_file(folder, made)))


def built_into(pipeline, folder):
    return build(pipeline, folder, progress=Notes(), created_at=CREATED_AT, engine="inline")


def test_a_pipeline_is_built_with_and_without_its_steps(pipeline, tmp_path):
    trial = Trial(features=TokenFeatures(), folds=2, tested=2)
    notes = []

    found = ablate(pipeline, tmp_path, trial, build=built_into, steps=["mix"], note=notes.append)

    assert ["mix"] == list(found["without"])
    assert found["dropped"]["mix"] and found["without"]["mix"]["pairs"] > found["whole"]["pairs"]
    again = ablate(pipeline, tmp_path, trial, build=built_into, steps=["mix"], note=notes.append)
    assert found == again


def test_steps_that_dropped_something_are_left_out_by_default(pipeline, tmp_path):
    asked = []

    def built(variant, folder):
        asked.append({step.id for step in variant.steps})
        return built_into(variant, folder)

    trial = Trial(features=LengthFeatures(), folds=2, tested=1)
    found = ablate(pipeline, tmp_path, trial, build=built, note=lambda _: None)

    left_out = [(asked[0] - steps).pop() for steps in asked[1:]]
    assert set(left_out) == set(found["dropped"]) and all(found["dropped"].values())
    assert "classify_commits" not in left_out  # it makes pairs of changes


@pytest.mark.parametrize("step", ["classify_commits", "drop_nothing"])
def test_what_cannot_be_left_out_is_said_before_anything_is_built(pipeline, tmp_path, step):
    with pytest.raises(PipelineError, match=step):
        ablate(
            pipeline,
            tmp_path,
            Trial(features=TokenFeatures()),
            build=lambda *_: pytest.fail("built"),
            steps=[step],
            note=lambda _: None,
        )


def test_length_and_tokens_are_chosen_less_rejected():
    one = pairs(4, lambda number: ("longer text\n", "x\n"))
    other = one.with_columns(chosen=pl.col("rejected"), rejected=pl.col("chosen"))

    for features in (LengthFeatures(), TokenFeatures()):
        forward, backward = features.differences(one).toarray(), features.differences(other).toarray()
        assert np.any(forward) and np.array_equal(forward, -backward)
        assert features.usable(one).all()


def test_the_command_prints_and_records(pipeline, tmp_path, capsys):
    from themis_data.cli import app
    from themis_data.manifest import read_record

    asked = [str(pipeline.path), "--out", str(tmp_path / "a"), "--folds", "2", "--step", "mix", "--engine", "inline"]
    app(["ablate", *asked], standalone_mode=False)

    printed = capsys.readouterr().out
    assert "worth" in printed and "mix" in printed and "length alone" in printed
    assert "tokens" == read_record(tmp_path / "a" / "ablation.json")["features"]
