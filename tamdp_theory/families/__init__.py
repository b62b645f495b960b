"""Synthetic TA-MDP families, one per file, each with the facts known about it in closed form.

    bandit        one decision; contextual_bandit: several prompts; drift_bandit: the example of T1.drift
    random_tree   trees of tool calls without structure
    search        search calls and evidence, after Visual-ARFT
    coding        code that mends an image, after Visual-ARFT; a DAG
    lengthy       answers of different lengths
    number_line   walk to a goal, after RL4VLM
    shifted       search_domains, coding_domains: source and target domains with a known shift; shift: between any two
    blackjack     hit or stand, after RL4VLM; dealer_law: the dealer's final total
    ez_points     write a formula of two cards that makes 12, after RL4VLM
    household     put objects where they belong, after ALFWorld; a DAG
    points24      write a formula of four cards that makes 24, after RL4VLM

Every number is an exact rational; equal arguments give equal processes.
"""

from tamdp_theory.families.bandit import bandit
from tamdp_theory.families.bandit import contextual as contextual_bandit
from tamdp_theory.families.bandit import drift as drift_bandit
from tamdp_theory.families.blackjack import blackjack, dealer_law
from tamdp_theory.families.coding import coding
from tamdp_theory.families.ez_points import ez_points
from tamdp_theory.families.household import household
from tamdp_theory.families.lengthy import lengthy
from tamdp_theory.families.number_line import number_line
from tamdp_theory.families.points24 import points24
from tamdp_theory.families.random_tree import random_tree
from tamdp_theory.families.search import search
from tamdp_theory.families.shifted import coding_domains, search_domains, shift

__all__ = [
    "bandit",
    "blackjack",
    "coding",
    "coding_domains",
    "contextual_bandit",
    "dealer_law",
    "drift_bandit",
    "ez_points",
    "household",
    "lengthy",
    "number_line",
    "points24",
    "random_tree",
    "search",
    "search_domains",
    "shift",
]
