"""The constants of T1.exact against PEPit's worst cases of gradient descent on smooth functions, convex or not."""

import pytest

from bounds import CLAIMS
from bounds import symbols as s

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("claim_id", ["T1.exact", "T1.exact.start"])
def test_the_worst_case_of_gradient_descent(claim_id: str, steps: int) -> None:
    """min_t ||grad F(x_t)||^2 over F's progress, or over its distance from F*, for an L-smooth F and steps 1/L."""
    pepit = pytest.importorskip("PEPit")
    from PEPit.functions import SmoothFunction

    smooth = 2.0
    problem = pepit.PEP()
    function = problem.declare_function(SmoothFunction, L=smooth)
    points = [problem.set_initial_point()]
    slopes, values = [], []
    for _ in range(steps):
        slope, value = function.oracle(points[-1])
        slopes.append(slope)
        values.append(value)
        points.append(points[-1] - slope / smooth)
    slope, value = function.oracle(points[-1])
    slopes.append(slope)
    values.append(value)
    if claim_id == "T1.exact":
        problem.set_initial_condition(values[0] - values[-1] <= 1)
    else:
        best = function.stationary_point()
        problem.set_initial_condition(values[0] - function(best) <= 1)
        for value in values:  # F* is below F everywhere, not at the points alone
            problem.add_constraint(function(best) <= value)
        for slope, value in zip(slopes, values, strict=True):
            problem.add_constraint(function(best) <= value - slope**2 / (2 * smooth))
    for slope in slopes:
        problem.set_performance_metric(slope**2)
    found = problem.solve(verbose=0)
    numbers = {s.L: smooth, s.T: steps, s.F_0: 0.0, s.F_T: 1.0, s.F_star: 1.0, s.min_grad_F: 0.0}
    assert found == pytest.approx(CLAIMS[claim_id].sides(numbers)[1], rel=1e-4)
