# ruff: noqa: E501, E731, E741, B905
"""Certificates in ball arithmetic of the constants of L3.trees, L3.all and L7.smooth; the proofs they complete are in bounds/proofs.

Floats only propose (which cell to split, which parameter t to use): every inequality that is used is decided by arb comparisons, which are true
only where the balls prove them. All corners of cells are dyadic, hence exact. They run at FLINT's precision of 53 bits or more.
"""

from fractions import Fraction

import numpy as np
from flint import arb, fmpq


class NotProven(Exception):
    """The balls do not show it."""


EDGES = [0, 0.3, 0.5, 0.65, 0.75, 0.83, 0.9, 0.96, 1]
TS = [1.0, 0.85, 0.7, 0.6, 0.55, 0.5, 0.45, 0.4, 0.3, 0.2, 0.1, 0.03]
T_BOUND, RHO = -1, -2


# ------------------------------------------------------------------ floats: proposals only
def f_sup(pi, x, z, t, C):
    Cp = C * (1 - pi * (1 - t))
    a = pi * pi / (4 * np.maximum(Cp, 1e-300))
    r = np.sqrt(2) * x
    D = Cp - a * t * t
    fs = a * r * t / np.where(D > 0, D, 1)
    thr = 2 * Cp * z / np.maximum(pi, 1e-300)
    best = pi * z
    for i, e in enumerate(EDGES):
        lo = e * fs
        fv = np.clip(fs, lo, EDGES[i + 1] * fs if i + 1 < len(EDGES) else np.inf)
        u = r + t * fv
        k = np.where(z > 0, Cp * z * z / np.maximum(np.maximum((r + t * lo) ** 2, thr), 1e-300), 0)
        best = np.maximum(best, a * u * u - Cp * fv * fv + k)
    return np.where(D > 1e-9, best, np.inf)


def f_y(pi, x, z, rho, C):
    zr = np.minimum(z, rho)
    b = np.maximum(pi * zr, pi * zr / 2 + pi * pi * rho / (2 * C))
    code = np.full(len(pi), RHO)
    with np.errstate(divide="ignore", invalid="ignore"):
        v = np.where(pi < 1 - 1e-9, np.maximum(pi * z, pi * z / 2 + pi * pi * x * x / (2 * C * (1 - pi))), np.inf)
    code = np.where(v < b, T_BOUND, code)
    b = np.minimum(b, v)
    for i, t in enumerate(TS):
        v = f_sup(pi, x, z, t, C)
        code = np.where(v < b, i, code)
        b = np.minimum(b, v)
    return b, code


def f_cells(lo, hi, C):
    t0, p20, p10 = lo.T
    t1, p21, p11 = hi.T
    p30 = np.maximum(1 - p11 - p21, 0)
    p31 = 1 - p10 - p20
    ml, mh = 1 - p11 - p21 * (1 - t0), 1 - p10 - p20 * (1 - t1)
    wl, wh = t0 * p10 - (1 - t0) * p31, t1 * p11 - (1 - t1) * p30
    S0 = p10 * p20 * t0**2 + p20 * p30 * (1 - t1) ** 2 + p10 * p30
    S1 = p11 * p21 * t1**2 + p21 * p31 * (1 - t0) ** 2 + p11 * p31
    tc, p2, p1 = (t0 + t1) / 2, (p20 + p21) / 2, (p10 + p11) / 2
    p3 = 1 - p1 - p2
    Sc = p1 * p2 * tc**2 + p2 * p3 * (1 - tc) ** 2 + p1 * p3
    am = lambda l, h: np.maximum(abs(l), abs(h))
    wu = t1 * p11 - (1 - t1) * (1 - p11 - p21)
    dS = (
        (t1 - t0) * p21 * am(wl, wu)
        + (p21 - p20) / 2 * (1 - t0) * am(2 * ml - 1 - t1, 2 * mh - 1 - t0)
        + (p11 - p10) / 2 * am(2 * ml - 1, 2 * mh - 1)
    )
    S0 = np.maximum(np.maximum(S0, Sc - dS), 0)
    S1 = np.minimum(S1, Sc + dS)
    tb = np.clip(0.5, t0, t1)
    tot = -C * (tb**2 + (1 - tb) ** 2 + 1) / 3
    codes = []
    for l, h, pl, ph in ((ml, mh, p10, p11), (wl, wh, p20, p21), (1 - mh, 1 - ml, p30, p31)):
        X = am(l, h)
        x0 = np.where((l <= 0) & (h >= 0), 0, np.minimum(abs(l), abs(h)))
        Z = np.maximum(np.maximum(X * X - S0, S1 - x0 * x0), 0)
        v, c = f_y(ph, X, Z, 1 - pl, C)
        tot = tot + v
        codes.append(c)
    return tot, np.array(codes).T


# ------------------------------------------------------------------ balls: the proof
HALF, ONE, ZERO, SQ2 = arb(1) / 2, arb(1), arb(0), arb(2).sqrt()
INF = None


def sup(pi, x, z, t, C):
    """An upper bound of sup over s, f >= 0 of pi sqrt(z^2 + s (sqrt2 x + t f)^2) - C'(s + f^2), C' = C (1 - pi (1 - t))."""
    Cp = C * (ONE - pi * (ONE - t))
    a = pi * pi / (4 * Cp)
    r = SQ2 * x
    D = Cp - a * t * t
    if not (D > 0 and Cp > 0):
        return INF
    fs = a * r * t / D
    thr = 2 * Cp * z / pi
    best = pi * z
    czz = Cp * z * z
    positive = z > 0
    for i, e in enumerate(EDGES):
        lo = fs * arb(e)
        if i + 1 < len(EDGES):
            hi = fs * arb(EDGES[i + 1])
            u = r + t * hi
            quad = a * u * u - Cp * hi * hi  # concave with its vertex at fs: largest at the right end
        else:
            quad = a * r * r * Cp / D
        if positive:
            w = r + t * lo
            w = (w * w).max(thr)
            quad = quad + czz / w
        best = best.max(quad)
    return best


def y_bound(pi, x, z, rho, code, C):
    if code == RHO:
        z = z.min(rho)
        return (pi * z).max(pi * z / 2 + pi * pi * rho / (2 * C))
    if code == T_BOUND:
        return (pi * z).max(pi * z / 2 + pi * pi * x * x / (2 * C * (ONE - pi))) if pi < 1 else INF
    return sup(pi, x, z, arb(TS[code]), C)


def proves(lo, hi, code, C):
    """Whether the balls show sum_a y_a < C b on the cell."""
    t0, p20, p10 = map(arb, lo)
    t1, p21, p11 = map(arb, hi)
    p30, p31 = (ONE - p11 - p21).max(ZERO), ONE - p10 - p20
    ml, mh = ONE - p11 - p21 * (ONE - t0), ONE - p10 - p20 * (ONE - t1)
    wl, wh = t0 * p10 - (ONE - t0) * p31, t1 * p11 - (ONE - t1) * p30
    S0 = p10 * p20 * t0 * t0 + p20 * p30 * (ONE - t1) ** 2 + p10 * p30
    S1 = p11 * p21 * t1 * t1 + p21 * p31 * (ONE - t0) ** 2 + p11 * p31
    tc, p2, p1 = (t0 + t1) / 2, (p20 + p21) / 2, (p10 + p11) / 2
    p3 = ONE - p1 - p2
    Sc = p1 * p2 * tc * tc + p2 * p3 * (ONE - tc) ** 2 + p1 * p3
    am = lambda l, h: abs(l).max(abs(h))
    wu = t1 * p11 - (ONE - t1) * (ONE - p11 - p21)  # of t - m on the whole box
    # dS/dt = 2 p2 (t - m), dS/dp2 = (1 - t)(2m - 1 - t), dS/dp1 = 2m - 1
    dS = (
        (t1 - t0) * p21 * am(wl, wu)
        + (p21 - p20) / 2 * (ONE - t0) * am(2 * ml - 1 - t1, 2 * mh - 1 - t0)
        + (p11 - p10) / 2 * am(2 * ml - 1, 2 * mh - 1)
    )
    S0 = S0.max(Sc - dS).max(ZERO)
    S1 = S1.min(Sc + dS)
    tb = t1.min(HALF)  # t <= 1/2 throughout
    total = -C * (tb * tb + (ONE - tb) ** 2 + 1) / 3
    for (l, h, pl, ph), c in zip(((ml, mh, p10, p11), (wl, wh, p20, p21), (ONE - mh, ONE - ml, p30, p31)), code):
        X = am(l, h)
        x0 = l if l > 0 else -h if h < 0 else ZERO
        Z = (X * X - S0).max(S1 - x0 * x0).max(ZERO)
        v = ZERO if ph == 0 else y_bound(ph, X, Z, ONE - pl, int(c), C)
        if v is INF:
            return False
        total = total + v
    return total < 0


def trees(C: Fraction, depths: int = 45):
    ball, f = arb(fmpq(C.numerator, C.denominator)), float(C)
    n = 8
    lo = np.array([(i / n / 2, j / n, k / n) for i in range(n) for j in range(n) for k in range(n) if j + k < n])
    hi = lo + np.array([0.5 / n, 1 / n, 1 / n])
    proven = 0
    for depth in range(depths):
        bad = np.ones(len(lo), bool)
        for i in range(0, len(lo), 20000):
            tot, code = f_cells(lo[i : i + 20000], hi[i : i + 20000], f)
            for j in np.nonzero(tot < -1e-9)[0]:
                if proves(lo[i + j].tolist(), hi[i + j].tolist(), code[j], ball):
                    bad[i + j] = False
                    proven += 1
        lo, hi = lo[bad], hi[bad]
        if not len(lo):
            break
        ax = depth % 3
        mid = (lo[:, ax] + hi[:, ax]) / 2
        h1, l2 = hi.copy(), lo.copy()
        h1[:, ax] = mid
        l2[:, ax] = mid
        lo, hi = np.vstack([lo, l2]), np.vstack([h1, hi])
        keep = lo[:, 1] + lo[:, 2] < 1
        lo, hi = lo[keep], hi[keep]
    else:
        raise NotProven(f"{len(lo)} cells left")
    return proven


# ------------------------------------------------------------------ all processes, bounds/proofs/L3.all.md
def ball(q: Fraction):
    return arb(fmpq(q.numerator, q.denominator))


def iv(a: Fraction, b: Fraction):
    return ball(a).union(ball(b))


def partition(check, a, b, depth=0, limit=40):
    """The number of pieces of a partition of [a, b] on each of which check is True; NotProven where it finds none."""
    if check(a, b):
        return 1
    if depth == limit:
        raise NotProven(f"on [{float(a)}, {float(b)}]")
    m = (a + b) / 2
    return partition(check, a, m, depth + 1, limit) + partition(check, m, b, depth + 1, limit)


def all_processes(C=Fraction(57, 100), mu=Fraction(3, 5), s1=Fraction(83, 100), K=Fraction(7, 5)):
    F, c, k = Fraction, ball(C), ball(K)
    y_max2 = 4 * mu / s1
    y_max = F(171, 100)
    assert y_max**2 >= y_max2  # y = lambda sqrt(b/2) <= 2 sqrt(mu/s) for a coin with b <= mu

    # (1) small s, every profile: s 4V/(s^2 + 4V) <= C, V = (s^2 + (1-s)^2)/2
    def small(a, b):
        v = 2 * (iv(a, b) ** 2 + (1 - iv(a, b)) ** 2)
        return iv(a, b) * v / (iv(a, b) ** 2 + v) <= c

    n1 = partition(small, F(0), s1)
    # (2) a coin with b >= mu: the same with V = s^2/2 + D m - m^2/2, m = mu - D, D = 1 - s (D <= m)
    assert mu - (1 - s1) >= 1 - s1

    def large(a, b):
        s = iv(a, b)
        d = 1 - s
        m = ball(mu) - d
        v = 4 * (s * s / 2 + d * m - m * m / 2)
        return s * v / (s * s + v) <= c and v >= s * s

    n2 = partition(large, s1, F(1))

    # (3) every coin with b <= mu: (s/2)(1 + exp(-(4/s)(1/2 - K(1-s)))) <= C
    def cosine(a, b):
        s = iv(a, b)
        return s / 2 * (1 + (-(4 / s) * (HALF - k * (1 - s))).exp()) <= c

    n3 = partition(cosine, s1, F(1))
    # (4) the coin inequality -log(1 - eta sin^2 y)/2 >= y^2 [1/2 - K(1-eta)], 0 <= y <= y_max, 0 <= eta <= 1; for y <= 1 it needs tan(1)^2/2 <= K only
    assert ball(F(1)).tan() ** 2 / 2 <= k
    pieces = 0

    def coin(
        ya, yb, ea, eb, d=0
    ):  # the left side increases with eta and (y <= pi/2) with y; balls take care of the rest
        nonlocal pieces
        y = iv(ya, yb)
        q = y.sin() ** 2
        if -(1 - ball(ea) * q).log() / 2 >= y * y * (HALF - k * (1 - ball(eb))):
            pieces += 1
            return
        if d > 60:
            raise NotProven(f"coin at y {float(ya)}, eta {float(ea)}")
        if d % 2:
            m = (ya + yb) / 2
            coin(ya, m, ea, eb, d + 1)
            coin(m, yb, ea, eb, d + 1)
        else:
            m = (ea + eb) / 2
            coin(ya, yb, ea, m, d + 1)
            coin(ya, yb, m, eb, d + 1)

    coin(F(1), y_max, F(0), F(1))
    return n1 + n2 + n3 + pieces


# ------------------------------------------------------------------ the constant of L7.smooth
def log_constant(bound=Fraction(342, 1000)):
    """(1 - 2p) sqrt(p) log(1/p) / (2 (1-p)^(3/2)) <= bound on (0, 1/2]."""

    def check(a, b):
        if a == 0:  # p <= b <= e^-2: sqrt(p) log(1/p) increases
            p = ball(b)
            return b < Fraction(1, 8) and p.sqrt() * (1 / p).log() / (2 * (1 - p) ** 1 * (1 - p).sqrt()) <= ball(bound)
        top, low = ball(b), ball(a)
        return bool((1 - 2 * low) * top.sqrt() * (1 / low).log() / (2 * (1 - top) * (1 - top).sqrt()) <= ball(bound))

    return partition(check, Fraction(0), Fraction(1, 2))
