"""The objective, as sums over the pairs of a batch, so that batches of a step add up to what one large batch gives.

    L = mean over pairs of [ -log sigmoid(r_c - r_r) + mu * P(r_c, r_r) ] + lambda * mean over tokens of NLL

P is (r_c + r_r)^2 as the Themis paper prints it (`centering`), or (|r_c| + |r_r|)^2 as its script computes it
(`magnitude`). The paper prints the penalty inside the negated expectation; it is added here, as its script does.
"""

from torch import Tensor
from torch.nn.functional import cross_entropy, logsigmoid


def preference_sum(chosen: Tensor, rejected: Tensor) -> Tensor:
    """Sum of -log sigmoid(r_c - r_r) over pairs, in float32; both of shape (pairs,). Bradley and Terry, 1952."""
    return -logsigmoid(chosen.float() - rejected.float()).sum()


def penalty_sum(chosen: Tensor, rejected: Tensor, form: str) -> Tensor:
    """Sum of the penalty over pairs, in float32; `form` is centering or magnitude."""
    chosen, rejected = chosen.float(), rejected.float()
    total = chosen + rejected if form == "centering" else chosen.abs() + rejected.abs()
    return total.square().sum()


def nll_sum(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum of -log p(token) in nats, in float32: `logits` (tokens, vocabulary), `labels` (tokens)."""
    return cross_entropy(logits.float(), labels, reduction="sum")
