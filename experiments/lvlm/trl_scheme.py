"""TRL's group scheme: its small number, and sample deviations."""

from tamdp_theory.exact import Normalization, Scheme

_EPS, _DDOF = 1e-4, 1


def trl_scheme(group_size: int, normalization: Normalization) -> Scheme:
    """What TRL computes under one of the three normalizations; centred advantages know no eps."""
    return Scheme(group_size, normalization, 0.0 if normalization == "center" else _EPS, _DDOF)
