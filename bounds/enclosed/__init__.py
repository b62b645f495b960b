"""The numbers of the claims in rationals, square roots and balls, by the same file names: what certificates rest on.

Every function takes an ``ExactInstance`` and returns rows, each a number for every quantity of the claim's statement.
They share no floating-point code with the measures in ``bounds.claims``: trajectories are walked, groups are summed as
multisets (``tamdp_theory.exact.balls``). Where a measure follows a random direction, here every coordinate is a row of
its own.
"""
