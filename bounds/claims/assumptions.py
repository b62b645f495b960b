"""Assumptions that several claims share."""

from bounds import structure
from bounds.claim import Assumption
from bounds.structure import is_plain

TABULAR = Assumption("tabular", "each logit is a parameter of its own", lambda i: bool(i.policy.is_tabular))
LISTABLE = Assumption("listable", "trajectories (or groups of them) are few enough to be listed", capacity=True)
ONE_DECISION = Assumption(
    "one decision", "every trajectory is a single decision, H = 1", lambda i: bool(i.env.horizon == 1)
)
TREE = Assumption("tree", "no node is reached in two ways: it follows one action of one node", structure.is_tree)
CENTER = Assumption(
    "center", "advantages are centred, not scaled", lambda i: bool(i.scheme.normalization == "center"), groups=True
)
PLAIN = Assumption(
    "plain scaling",
    "eps = 0 and ddof = 0, unless centred",
    lambda i: is_plain(i.scheme) or i.scheme.normalization == "center",
)
POTENTIAL = Assumption(
    "potential",
    "center; or two-valued components with normalize_then_sum; or a two-valued composite with sum_then_normalize",
)
TWO_VALUED = Assumption("two-valued", "the standardized rewards take at most two values on each prompt")
DECOMPOSED = Assumption(
    "decomposed",
    "normalization is normalize_then_sum",
    lambda i: bool(i.scheme.normalization == "normalize_then_sum"),
    groups=True,
)
JOINT = Assumption(
    "joint",
    "normalization is sum_then_normalize",
    lambda i: bool(i.scheme.normalization == "sum_then_normalize"),
    groups=True,
)
PAIRS = Assumption(
    "pairs", "G = 2, eps = 0, ddof = 0", lambda i: i.scheme.group_size == 2 and is_plain(i.scheme), groups=True
)
THREE_VALUES = Assumption("three values", "some prompt's composite takes at least three values")
NO_EPS = Assumption("no eps", "eps = 0", lambda i: bool(i.scheme.eps == 0), groups=True)
ACTIVE = Assumption("active group", "in some group the composite varies")
UNIT_TOTAL = Assumption("weights sum to one", "W = 1", lambda i: sum(i.exact_weights) == 1, groups=True)
EQUAL = Assumption("equal weights", "all weights are equal", lambda i: len(set(i.exact_weights)) == 1, groups=True)
TWO_VALUED_COMPONENTS = Assumption(
    "two-valued components",
    "each component with weight takes at most two values on each prompt",
    lambda i: structure.has_two_valued_components(i.env),
)
COMPOSITE_ALONE = Assumption(
    "composite alone",
    "advantages look at the composite reward alone, or at the one component that has weight",
    structure.is_of_composite,
    groups=True,
)
