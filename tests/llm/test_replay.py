"""Recorded answers come back by the keys of their requests, and nothing is made up."""

import dataclasses

import pyarrow as pa
import pytest
from recorded import answering, request, requests_of

from themis_data.engine.journal import Journal
from themis_data.engine.requests import Reply, Sampling
from themis_data.engine.rows import Complete, Parsed
from themis_data.errors import CorruptData, ThemisError
from themis_data.fingerprint import settings_that_matter
from themis_data.llm.replay import Replay


def replies(model, *requests):
    with model.open() as answer:
        return [reply for given in answer(iter(requests)) for reply in given]


def test_a_recorded_request_gets_its_answer(tmp_path):
    asked = [request("a", number=1), request("b", number=2)]
    model = answering(tmp_path, "m", lambda one: one.user.upper(), asked)

    assert [(asked[1].key, "B"), (asked[0].key, "A")] == [(r.key, r.text) for r in replies(model, *reversed(asked))]


def test_a_request_that_was_not_recorded_is_a_failure_that_asking_again_does_not_mend(tmp_path):
    model = answering(tmp_path, "m", lambda one: "x", [request(number=1)])

    (reply,) = replies(model, request(number=2))

    assert ("not_recorded", False, None) == (reply.failure, reply.is_retryable, reply.text)


def test_a_recorded_failure_comes_back_unless_asking_again_may_mend_it(tmp_path):
    def fail(one):
        return Reply(key=one.key, failure="f" + one.user, is_retryable=one.user == "2")

    model = answering(tmp_path, "m", fail, [request("1", number=1), request("2", number=2)])

    assert ["f1", "not_recorded"] == [r.failure for r in replies(model, request(number=1), request(number=2))]


def test_the_last_of_two_replies_counts_over_all_journals_of_a_folder(tmp_path):
    for name, text in (("b", "new"), ("a", "old")):
        with Journal(tmp_path / f"{name}.journal") as journal:
            journal.append([Reply(key=request(number=1).key, text=text)])

    (reply,) = replies(Replay(path=str(tmp_path), model="m"), request(number=1))

    assert "new" == reply.text


def test_many_requests_are_taken_as_answers_are_given(tmp_path):
    asked = [request(str(n), number=n) for n in range(1000)]
    model = answering(tmp_path, "m", lambda one: one.user, asked)
    taken = []

    with model.open() as answer:
        first = next(answer(taken.append(one) or one for one in asked))

    assert len(first) == len(taken) < 1000


def test_the_journal_is_left_as_it_is_and_a_line_cut_short_is_passed_over(tmp_path):
    model = answering(tmp_path, "m", lambda one: "x", [request(number=1), request(number=2)])
    path = tmp_path / "recorded.journal"
    path.write_bytes(path.read_bytes()[:-1])
    path.chmod(0o400)
    before = path.read_bytes()

    assert [None, "not_recorded"] == [r.failure for r in replies(model, request(number=1), request(number=2))]
    assert before == path.read_bytes()


def test_a_damaged_reply_is_an_error(tmp_path):
    model = answering(tmp_path, "m", lambda one: "right", [request(number=1)])
    path = tmp_path / "recorded.journal"
    path.write_bytes(path.read_bytes().replace(b"right", b"wrong"))

    with pytest.raises(CorruptData, match="the reply at byte 0 is damaged"):
        replies(model, request(number=1))


@pytest.mark.parametrize("path", ["", "nothing.journal", "."])
def test_no_journal_is_an_error_that_says_what_was_expected(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ThemisError, match=r"replay, path: no journal at .*expected a file that an earlier build wrote"):
        replies(Replay(path=path, model="m"), request())


def test_what_was_recorded_is_the_identity_and_where_it_lies_is_not(tmp_path):
    one = answering(tmp_path / "1", "Qwen/Qwen3-8B", lambda one: "x", [request()])
    same = answering(tmp_path / "2", "Qwen/Qwen3-8B", lambda one: "x", [request()])
    other = answering(tmp_path / "3", "Qwen/Qwen3-8B", lambda one: "y", [request()])

    assert one.identity() == same.identity() != other.identity()
    assert {"model": "Qwen/Qwen3-8B", "revision": None, "variant": None, "family": "qwen"} == settings_that_matter(one)
    assert ("Qwen/Qwen3-8B", False) == (one.name, one.leaves_machine)


def test_a_stage_is_answered_from_what_was_recorded_for_its_questions(tmp_path):
    decision = Complete(
        template="t",
        models=(Replay(model="m", path="later"),),
        ask=lambda rows: pa.table(
            {"row_id": rows["row_id"], "slot": ["only"] * 2, "user": ["u1", "u2"], "samples": [2, 1]}
        ),
        parse=lambda text, ticket: Parsed(value=text),
        receive=lambda rows, answers: rows,
        columns=("row_id",),
        sampling=Sampling(temperature=0.5),
    )
    asked = requests_of(decision, pa.table({"row_id": ["1", "2"]}))
    model = answering(tmp_path, "m", lambda one: one.user, asked)

    assert 3 == len({one.key for one in asked})
    assert ["u1", "u1", "u2"] == [reply.text for reply in replies(model, *asked)]
    other = [dataclasses.replace(one, key="0" * 32) for one in asked[:1]]
    assert ["not_recorded"] == [reply.failure for reply in replies(model, *other)]
