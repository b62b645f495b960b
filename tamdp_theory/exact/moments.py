"""What every engine of group moments gives (theory.md section 3).

For reward classes m = 1..M of one prompt with probabilities P and a group of G independent trajectories,

    h_m = E[A_1 | m]    h+-_m = E[max(+-A_1, 0) | m]    a_m = E[A_1^2 | m]    b_ml = E[A_1 A_2 | m, l]

where "| m, l" fixes the classes of members 1 and 2. Everything is a polynomial in P; P may be a batch.
"""

from abc import ABC, abstractmethod

from tamdp_theory.model import Floats


class GroupMoments(ABC):
    """Group moments at ``probability`` (..., M); each is computed when first read. Shapes lead with the batch shape of
    P, then (M,) or (M, M).
    """

    probability: Floats

    @property
    @abstractmethod
    def first(self) -> Floats:
        """h (..., M): the effective reward of L5."""

    @property
    @abstractmethod
    def positive(self) -> Floats:
        """h+ (..., M), >= 0."""

    @property
    @abstractmethod
    def negative(self) -> Floats:
        """h- (..., M), >= 0; h = h+ - h-."""

    @property
    @abstractmethod
    def second(self) -> Floats:
        """a (..., M), >= 0."""

    @property
    @abstractmethod
    def cross(self) -> Floats:
        """b (..., M, M), symmetric."""

    @property
    @abstractmethod
    def given_pair(self) -> Floats:
        """E[A_1 | m, l] (..., M, M); dh_m/dP_l = (G - 1) times it."""
