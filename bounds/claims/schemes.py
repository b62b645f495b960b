"""Group schemes that the claims are verified under by default."""

from tamdp_theory.exact import Scheme

EVERY = (
    Scheme(2, "center"),
    Scheme(3, "sum_then_normalize"),
    Scheme(3, "normalize_then_sum"),
    Scheme(3, "sum_then_normalize", 1e-4, 1),
    Scheme(3, "normalize_then_sum", 1e-4, 1),
)
SCALED = (
    Scheme(4, "sum_then_normalize"),
    Scheme(4, "normalize_then_sum"),
    Scheme(16, "normalize_then_sum"),
    Scheme(5, "sum_then_normalize", 1e-2, 1),
)
CENTERED = (Scheme(2, "center"), Scheme(8, "center"), Scheme(32, "center"))
WITH_POTENTIAL = (Scheme(8, "center"), Scheme(8, "normalize_then_sum"), Scheme(4, "sum_then_normalize"))
SPLIT = (Scheme(4, "normalize_then_sum"), Scheme(5, "normalize_then_sum", 0.0, 1))
SPLIT_ANY_EPS = (*SPLIT, Scheme(3, "normalize_then_sum", 1e-2, 1))
