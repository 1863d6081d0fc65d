"""The journal of replies: nothing that was appended is lost, nothing that a crash left is believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from themis_data.engine.journal import Journal
from themis_data.engine.requests import Reply
from themis_data.errors import CorruptData

KEYS = [f"{n:032x}" for n in (7, 0, 2**128 - 1, 2**120, 256)]


def test_replies_are_found_by_their_keys(tmp_path):
    first, second = Reply(key=KEYS[0], text="a\nb", tokens_in=3), Reply(key=KEYS[1], failure="too_long", detail="é")

    with Journal(tmp_path / "j") as journal:
        journal.append([first, second])

        assert {KEYS[1]: second, KEYS[0]: first} == journal.find([KEYS[1], KEYS[2], KEYS[0]])


def test_replies_are_there_when_it_is_opened_again(tmp_path):
    replies = [Reply(key=key, text=f"text {key}") for key in KEYS]
    with Journal(tmp_path / "j") as journal:
        journal.append(replies)

    with Journal(tmp_path / "j") as journal:
        assert set(KEYS) == journal.known([*KEYS, "ab" * 16])
        assert {reply.key: reply for reply in replies} == journal.find(KEYS)


def test_the_later_of_two_replies_counts(tmp_path):
    with Journal(tmp_path / "j") as journal:
        journal.append([Reply(key=KEYS[0], text="old")])
    with Journal(tmp_path / "j") as journal:
        journal.append([Reply(key=KEYS[0], text="new")])
        assert "new" == journal.find(KEYS)[KEYS[0]].text
    with Journal(tmp_path / "j") as journal:
        assert "new" == journal.find(KEYS)[KEYS[0]].text


@pytest.mark.parametrize("lost", [1, 10, 60])
def test_a_line_that_a_crash_cut_is_taken_off(tmp_path, lost):
    path = tmp_path / "j"
    with Journal(path) as journal:
        journal.append([Reply(key=KEYS[0], text="whole"), Reply(key=KEYS[1], text="x" * 80)])
    path.write_bytes(path.read_bytes()[:-lost])

    with Journal(path) as journal:
        assert {KEYS[0]} == journal.known(KEYS)
        journal.append([Reply(key=KEYS[1], text="again")])
    with Journal(path) as journal:
        assert ["whole", "again"] == [journal.find(KEYS)[key].text for key in KEYS[:2]]


def test_a_failure_that_asking_again_may_mend_is_forgotten_when_it_is_closed(tmp_path):
    quoted = Reply(key=KEYS[1], text='{"is_retryable":true}')
    with Journal(tmp_path / "j") as journal:
        journal.append([Reply(key=KEYS[0], failure="timeout", is_retryable=True), quoted])
        assert set(KEYS[:2]) == journal.known(KEYS)

    with Journal(tmp_path / "j") as journal:
        assert {KEYS[1]: quoted} == journal.find(KEYS)


def test_a_damaged_reply_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "j"
    with Journal(path) as journal:
        journal.append([Reply(key=KEYS[0], text="something")])
    path.write_bytes(path.read_bytes().replace(b"something", b"somethinG"))

    with Journal(path) as journal, pytest.raises(CorruptData, match=r"j: the reply at byte 0 is damaged"):
        journal.find(KEYS[:1])


@given(st.lists(st.tuples(st.sampled_from(KEYS), st.text()), max_size=8))
def test_any_text_comes_back_as_it_was(tmp_path_factory, said):
    path = tmp_path_factory.mktemp("journal") / "j"
    for key, text in said:
        with Journal(path) as journal:
            journal.append([Reply(key=key, text=text)])

    with Journal(path) as journal:
        assert dict(said) == {key: reply.text for key, reply in journal.find(KEYS).items()}
