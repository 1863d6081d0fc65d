"""Settings of training; a model file records them."""

from dataclasses import dataclass
from typing import Annotated


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """What bears on a trained classifier."""

    kind: Annotated[str, "file in criteria/classifiers: tfidf, minilm or modernbert"] = "tfidf"
    seed: Annotated[int, "draws the parts and the commits"] = 7
    diff_features: Annotated[bool, "whether it sees the changed lines beside the message"] = False
    margin: Annotated[float, "points by which the strongest criterion leads, as in classify_commits"] = 1.0
    seed_margin: Annotated[float, "points by which it leads in a commit that is taken for a seed"] = 2.0
    min_precision: Annotated[float, "precision on seeds for which the report says what is kept"] = 0.9
    min_support: Annotated[int, "seeds above a threshold, below which no precision is stated"] = 10
    max_unlabelled: Annotated[int, "commits without a criterion that are drawn from each part"] = 12_000
    calibration_share: Annotated[float, "share of the seeds whose repositories calibrate"] = 0.25
    held_out_share: Annotated[float, "share of the seeds whose repositories are only reported on"] = 0.2
    count_kept: Annotated[bool, "whether the whole pool is asked in the end, to say how much is kept"] = True
    spy_share: Annotated[float, "share of the training seeds that are hidden among the unlabelled commits"] = 0.15
    spy_quantile: Annotated[float, "unlabelled commits above this quantile of the spies are no negatives"] = 0.25
    inverse_regularisation: Annotated[float, "C of the logistic regression"] = 3.0
    min_commits: Annotated[int, "commits that have a word, below which it is left out"] = 4
    min_repositories: Annotated[int, "repositories that have a word, below which it is left out"] = 2
    max_words: Annotated[int, "words a block, the most frequent first"] = 100_000
    encoder: Annotated[str | None, "modernbert: folder of a ModernBERT checkpoint; null where none is needed"] = None
    max_tokens: Annotated[int, "modernbert: tokens of a commit that are read"] = 256
    epochs: Annotated[int, "modernbert: passes over the training part"] = 3
    batch_size: Annotated[int, "modernbert: commits a step"] = 32
    learning_rate: Annotated[float, "modernbert: of AdamW, at its peak"] = 5e-5

    def __post_init__(self) -> None:
        if not 0.0 < self.calibration_share + self.held_out_share < 1.0:
            raise ValueError("calibration_share and held_out_share must leave something to train on")
        if not 0.0 < self.min_precision < 1.0:
            raise ValueError(f"min_precision is {self.min_precision}, expected a share between 0 and 1")
