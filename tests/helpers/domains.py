"""Processes of several domains, and policies on them."""

from collections.abc import Callable
from fractions import Fraction as F

import numpy as np
from hypothesis import strategies as st

from tamdp_theory import TAMDP, LogLinear, Network, Policy, TabularSoftmax, families
from tamdp_theory.domains import join

SHALLOW, DEEP = families.search(2, 0, difficulties=[0, 1]), families.search(2, 1, difficulties=[1, 2])


# the shallow nodes have fewer actions, and those come last among the names of the whole
BOTH = join({"deep": DEEP, "shallow": SHALLOW}, ("1/3", "2/3"))


ONLY_SHALLOW = ("0", "0", "1/4", "3/4")


MAKERS: dict[str, Callable[[TAMDP], Policy]] = {
    "tabular": lambda env: TabularSoftmax.random(env, np.random.default_rng(1)),
    "log-linear": lambda env: LogLinear(
        env, np.random.default_rng(2).standard_normal((env.n_pairs, 4)), np.random.default_rng(3).standard_normal(4)
    ),
    "names": lambda env: (p := LogLinear(env)).with_parameters(
        np.random.default_rng(4).standard_normal(p.n_parameters)
    ),
    "network": lambda env: Network(env, hidden=3, generator=np.random.default_rng(5)),
}


def laws(size: int) -> st.SearchStrategy[list[F]]:
    parts = st.lists(st.sampled_from([0, 1, 2, 5, 1000]), min_size=size, max_size=size).filter(any)
    return parts.map(lambda drawn: [F(p, sum(drawn)) for p in drawn])
