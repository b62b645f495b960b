"""Sequence ratios to the power 1 over the length, on policy (GSPO, 2025; LUSPO, 2026)."""

import numpy as np
import sympy as sp

from bounds import literature_symbols as ls
from bounds import symbols as s
from bounds.claim import Claim
from bounds.claims.lengths import ONE_LENGTH, lengths_at_odds, on_lengths
from bounds.claims.literature.vojnovic import effective_reward
from bounds.claims.slope import central_slope, direction_of
from bounds.comparison import Measured
from bounds.enclosed.lengths import has_lengths
from bounds.enclosed.literature import gspo as enclosed
from bounds.instance import Instance
from bounds.structure import composite_varies
from bounds.verdicts import Standing
from tamdp_theory import exact
from tamdp_theory.exact import Scheme
from tamdp_theory.model import Floats


def _sequences(instance: Instance) -> Measured:
    """Both surrogates by differences, trajectory by trajectory, and both updates from the engine."""
    env, policy, scheme = instance.env, instance.policy, instance.scheme
    if not has_lengths(env):
        return Measured(numbers={}, assumptions={ONE_LENGTH.name: False})
    if not composite_varies(env):
        return Measured(numbers={}, empty="no composite reward varies")
    paths, direction = instance.trajectories, direction_of(instance)
    tokens = paths.visits @ env.pair_tokens
    old = paths.log_policy(policy.pair_log_probability[:, None])[:, 0]
    weight = env.prompt_probability[paths.prompt] * paths.kernel * np.exp(old)
    weight = weight * effective_reward(instance)[paths.reward_class]

    def surrogates(step: float) -> Floats:
        moved = policy.with_parameters(policy.parameters + step * direction)
        ratio = np.exp((paths.log_policy(moved.pair_log_probability[:, None])[:, 0] - old) / tokens)
        return np.array([weight @ ratio, (weight * tokens) @ ratio])

    coarse, fine = (central_slope(surrogates, step) for step in (0.04, 0.02))
    error = np.abs(fine - coarse) / 16 + 1e-12 * (1 + float(np.abs(weight) @ tokens))
    over = exact.update_moments(
        env, policy, scheme.group_size, scheme.normalization, scheme.eps, scheme.ddof, aggregation="sequence_mean"
    )
    return Measured(
        numbers={
            ls.slope_sequence: float(fine[0]),
            ls.slope_weighted: float(fine[1]),
            ls.along_mean: float(over.mean @ direction),
            s.mean_law: float(instance.update.mean @ direction),
        },
        errors={ls.slope_sequence: float(error[0]), ls.slope_weighted: float(error[1])},
        scale=env.total_weight,
    )


_SCHEMES = (Scheme(3, "sum_then_normalize"), Scheme(4, "leave_one_out"))

CLAIMS = (
    Claim(
        id="P.sequence",
        title="On policy, sequence ratios divide advantages by lengths",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(ls.slope_sequence, ls.along_mean),
        measure=_sequences,
        reference="GSPO 2025, arXiv 2507.18071",
        assumptions=(ONE_LENGTH,),
        proof="The derivative of r^(1/l) at r = 1 is the score over l; so all of T5.seqmean is true of it.",
        depends_on=("L5", "T5.seqmean"),
        schemes=_SCHEMES,
        example=lengths_at_odds,
        enclose=enclosed.sequence_rows,
        instances=on_lengths,
    ),
    Claim(
        id="P.sequence.weighted",
        title="Weighted by lengths they give the plain update back",
        standing=Standing.LITERATURE,
        kind="identity",
        statement=sp.Eq(ls.slope_weighted, s.mean_law),
        measure=_sequences,
        reference="LUSPO 2026, arXiv 2602.05261",
        assumptions=(ONE_LENGTH,),
        proof="l times the score over l.",
        depends_on=("P.sequence",),
        schemes=_SCHEMES,
        example=lengths_at_odds,
        enclose=enclosed.sequence_rows,
        instances=on_lengths,
    ),
)
