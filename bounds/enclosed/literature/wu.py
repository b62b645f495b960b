"""The claim of claims/literature/wu.py in rationals, square roots and balls."""

from bounds import literature_symbols as ls
from bounds.decision import Row
from bounds.enclosed.quantities import probabilities, rho, update_of
from bounds.exact_instance import ExactInstance
from bounds.structure import composite_varies
from tamdp_theory.exact.balls import group_of, largest


def leash_rows(i: ExactInstance) -> list[Row]:
    """P.leash: each pair."""
    if not composite_varies(i.env) or not i.policy.is_tabular:
        return []
    law = i.law
    update, spread = update_of(i, law)[0], []
    for q in range(i.env.n_prompts):
        h = group_of(i.env, q, i.scheme).first(probabilities(law.classes[q]))[0]
        spread.append(largest(h) + largest([-one for one in h]))
    rows: list[Row] = []
    for pair, x in enumerate(i.env.pair_node.tolist()):
        q = int(i.env.node_prompt[x])
        rows.append(
            {
                ls.push_pair: update[pair],
                ls.visited: rho(i.env, q) * law.visits[x],
                ls.pi_pair: i.policy.probability[pair],
                ls.osc_h: spread[q],
            }
        )
    return rows
