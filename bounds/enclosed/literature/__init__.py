"""The claims of claims/literature in rationals, square roots and balls."""
