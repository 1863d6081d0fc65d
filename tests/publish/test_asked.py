"""What a manifest says of language models: who was asked, and what their answers are worth."""

from themis_data.publish.asked import Measure, asked


def share(hits: int, total: int) -> dict:
    return {
        "hits": hits,
        "total": total,
        "pairs": total,
        "share": hits / total if total else None,
        "low": 0.1,
        "high": 0.9,
    }


def group(criterion: str = "all", model: str = "all", **shares: dict) -> dict:
    cell = {"kind": "vote", "criterion": criterion, "language": "all", "model": model}
    return {**cell, "shares": shares, "length_preference": {"value": 0.2, "low": 0.1, "high": 0.3}}


AUDIT = {
    "groups": [group(flip=share(1, 4), tie=share(0, 0)), group("memory_efficiency", flip=share(1, 2))],
    "between_models": [
        {"kind": "vote", "criterion": "all", "language": "all", "alpha": 0.5, "low": 0.4, "high": 0.6, "units": 7}
    ],
    "canaries": [
        {"kind": "vote", "canary": "no_op", "model": "m", "counts": True, "fooled": share(2, 2), "unreadable": 0}
    ],
}


def entry(**settings) -> dict:
    models = [{"model": "m", "revision": "1", "family": None}, {"model": "n", "revision": None, "family": None}]
    told = {"questions": 8, "requests": 8, "failures": {"not_json": 1}, "models": models}
    return {"record": "r", "digest": "d", "step": "judge", "asked": told, "audit": AUDIT, **settings}


def test_steps_that_asked_are_told_from_other_decisions():
    manifest = {"segments": [{"marks": [{"record": "r", "digest": "d"}, entry()]}, {"marks": []}]}

    [step] = asked(manifest)

    assert ("judge", ("m (1)", "n"), 8, {"not_json": 1}) == (step.step, step.models, step.questions, step.failures)


def test_measures_are_those_over_all_criteria_and_languages():
    [step] = asked({"segments": [{"marks": [entry()]}]})

    assert (
        Measure(name="vote: flip", model="all", value=0.25, low=0.1, high=0.9, count=4),
        Measure(name="vote: length_preference", model="all", value=0.2, low=0.1, high=0.3, count=None),
        Measure(name="vote: alpha between models", model="all", value=0.5, low=0.4, high=0.6, count=7),
        Measure(name="vote: fooled by canaries (no_op)", model="m", value=1.0, low=0.1, high=0.9, count=2),
    ) == step.measures


def test_a_step_without_an_audit_has_no_measures():
    [step] = asked({"segments": [{"marks": [entry(audit=None)]}]})

    assert () == step.measures


def test_the_figures_of_another_audit_are_measures_as_they_are():
    [step] = asked({"segments": [{"marks": [entry(audit={"votes": 4, "flip": 0.5, "first": None})]}]})

    assert [("votes", 4), ("flip", 0.5)] == [(measure.name, measure.value) for measure in step.measures]


def test_of_a_model_that_was_asked_alone_each_figure_stands_once():
    told = entry(audit={**AUDIT, "groups": [group(flip=share(1, 4)), group(model="m", flip=share(1, 4))]})
    told["asked"]["models"] = told["asked"]["models"][:1]

    [step] = asked({"segments": [{"marks": [told]}]})

    assert ["all", "all", "all"] == [measure.model for measure in step.measures]
