"""The random projection of scores: its inner products, its blocks, what it refuses."""

import numpy as np
import pytest

pytest.importorskip("transformers")
from tamdp_theory.errors import InputError
from tamdp_theory.lvlm import projection as projecting
from tamdp_theory.lvlm.projection import Projection

pytestmark = [pytest.mark.lvlm, pytest.mark.filterwarnings("default")]


# The projection


def test_projection_keeps_inner_products_with_the_stated_variance():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 50))
    y += x
    d, seeds = 16, 3000
    images = np.array([Projection(d, seed)(np.stack([x, y])) for seed in range(seeds)])
    products = (images[:, 0] * images[:, 1]).sum(axis=1)
    variance = ((x @ x) * (y @ y) + (x @ y) ** 2 - 2 * (x**2 * y**2).sum()) / d
    assert abs(products.mean() - x @ y) < 5 * np.sqrt(variance / seeds)
    assert products.var() == pytest.approx(variance, rel=0.15)


def test_projection_is_linear_and_a_row_has_no_company(monkeypatch):
    monkeypatch.setattr(projecting, "BLOCK", 16)
    x, y = np.random.default_rng(0).normal(size=(2, 100))
    project = Projection(8, seed=1)
    image_x, image_y, both = project(np.stack([x, y, 2 * x - 3 * y]))
    np.testing.assert_allclose(both, 2 * image_x - 3 * image_y, atol=1e-12)
    np.testing.assert_array_equal(project(y[None])[0], image_y)
    assert not np.array_equal(Projection(8, seed=2)(y[None])[0], image_y)


def test_blocks_have_hashes_of_their_own(monkeypatch):
    monkeypatch.setattr(projecting, "BLOCK", 4)
    basis = np.eye(8)[[1, 5]]
    products = [np.prod(Projection(1, seed)(basis)) for seed in range(200)]
    assert set(products) == {-1.0, 1.0} and abs(np.mean(products)) < 0.4


@pytest.mark.parametrize("arguments", [(0,), (True,), (2.0,), (4, -1), (4, "a")])
def test_bad_projections(arguments):
    with pytest.raises(InputError, match="projection"):
        Projection(*arguments)
