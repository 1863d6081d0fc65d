"""A reward model that stays loaded and is asked about answers: one at a time, two against each other, the best of n.

    model = RewardModel("runs/reward_tiny/preference/model")
    model.score("Add two numbers.", "return a + b", criterion="runtime_efficiency")
    model.rank("Add two numbers.", ["return a - b", "return a + b"]).best

A chat is written by the function that training and `themis evaluate` use.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from themis_data import criteria
from themis_data.code.answers import read_answer
from themis_data.code.language import by_name, canonical_language
from themis_data.errors import EvaluationError
from themis_data.evaluate.pair_sets import Mode
from themis_data.evaluate.pair_sets import system_prompt as prompt_of_mode
from themis_data.evaluate.scoring import Chat, TransformersScorer

ALL = "all"  # in place of a criterion: the five that code is judged by


@dataclass(frozen=True)
class Ranking:
    """Answers to one prompt by their rewards."""

    rewards: tuple[float, ...]  # as the answers were given; no unit, and only differences mean something
    order: tuple[int, ...]  # places of the answers, best first; of equal rewards the one given first
    names: tuple[str, ...]  # what errors and tables call the answers

    @property
    def best(self) -> int:
        """Place of the best answer."""
        return self.order[0]

    @property
    def lead(self) -> float | None:
        """Reward of the best answer less that of the second, 0 for a tie; null where there is no second."""
        if len(self.order) == 1:
            return None
        return self.rewards[self.order[0]] - self.rewards[self.order[1]]

    @property
    def probability(self) -> float | None:
        """That the best answer is preferred to the second, 0.5 to 1, as Bradley and Terry have it; null without one."""
        return None if self.lead is None else 1 / (1 + math.exp(-self.lead))


class RewardModel:
    """A checkpoint for sequence classification with one label, loaded once: on a GPU where there is one.

    `model` is a folder, such as RUN/PHASE/model, or a model of the Hub (ORG/NAME), there at `revision`. Raises
    EvaluationError where it is no reward model.
    """

    def __init__(self, model: str, *, revision: str | None = None, max_tokens: int = 4_096) -> None:
        self.name = model
        self._scorer = TransformersScorer(model, revision=revision, max_tokens=max_tokens)

    def score(self, prompt: str, answer: str, *, criterion: str | None = None, language: str | None = None) -> float:
        """The reward of an answer; see `rank`."""
        return self.rank(prompt, [answer], criterion=criterion, language=language).rewards[0]

    def rank(
        self,
        prompt: str,
        answers: Sequence[str],
        *,
        criterion: str | None = None,
        language: str | None = None,
        names: Sequence[str] | None = None,
    ) -> Ranking:
        """Rewards of answers to one prompt, and their order; a reward does not depend on the other answers.

        The texts are scored as they are, to the last line break. `criterion` gives the system prompt that pairs of that
        criterion have in training (`all`: of all five); without it there is none. With `language` answers that are bare
        code are put into a fence of that language, so that they look like those of models, which write fences; others
        stay. `names` are what errors call the answers; `answer 1` and so on by default.

        Raises UnknownName for a criterion or language, and EvaluationError for an answer that is longer, with its
        prompt, than the model's limit, or that has a mark of the chat template in it, with which it could end its turn.
        """
        called = tuple(names or (f"answer {n}" for n in range(1, len(answers) + 1)))
        if not answers:
            raise EvaluationError("no answer to score; expected at least one")
        system = system_prompt(criterion)
        if language is not None:
            tag = _tag(language)
            answers = [_in_fence(answer, tag) for answer in answers]
        chats = [Chat(system, prompt, answer) for answer in answers]
        self._check(chats, called)
        rewards = self._scorer.score(chats).rewards.tolist()
        if broken := [name for name, reward in zip(called, rewards, strict=True) if not math.isfinite(reward)]:
            raise EvaluationError(f"{self.name} gives {broken[0]} a reward that is no number: its weights are broken")
        order = sorted(range(len(rewards)), key=lambda place: -rewards[place])
        return Ranking(tuple(rewards), tuple(order), called)

    def _check(self, chats: Sequence[Chat], names: Sequence[str]) -> None:
        """Before anything is computed: that each chat is what it seems, and fits."""
        writer, limit = self._scorer.chats, self._scorer.max_tokens
        for name, text in [("the prompt", chats[0].prompt), *zip(names, (chat.answer for chat in chats), strict=True)]:
            if marks := writer.marks_in(text):
                raise EvaluationError(
                    f"{name} has {marks[0]} in it, a mark of the model's chat template, which could end its turn; take "
                    f"it out"
                )
        for name, ids in zip(names, writer.tokens([writer.scored(*chat) for chat in chats]), strict=True):
            if len(ids) > limit:
                raise EvaluationError(
                    f"{name} has {len(ids):,} tokens with its prompt, the limit is {limit:,}; shorten it, or raise the "
                    f"limit (--max-tokens) up to what the model was trained with"
                )


def system_prompt(criterion: str | None) -> str | None:
    """The system prompt of a criterion (`all`: of the five in the order of the paper's evaluation); null without one.

    Raises UnknownName.
    """
    if not criterion:
        return None
    mode: Mode = "all" if criterion == ALL else "criterion"
    return prompt_of_mode(mode, criteria.canonical_criterion(criterion) or criterion)


def _tag(language: str) -> str:
    """What stands behind the fence of a language."""
    found = by_name(canonical_language(language) or language)
    return found.name.lower() if found.name.isalnum() else found.aliases[0]


def _in_fence(answer: str, tag: str) -> str:
    """Bare code in a fence that it cannot close; anything else as it is."""
    if read_answer(answer).wrapper != "bare":
        return answer
    longest = max((len(run) for run in re.findall("`{3,}", answer)), default=2)
    fence = "`" * (longest + 1)
    return "\n".join([fence + tag, answer.removesuffix("\n"), fence])
