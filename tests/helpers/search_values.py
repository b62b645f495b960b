"""Values of the search family in closed form."""

from fractions import Fraction as F

V = [F(7, 8), F(7, 16), F(3, 16), F(0), F(0)]
