"""Random cases with the answers of scipy, numpy and decimal; one JSON object a line.

`cargo xtask oracles` runs it as `oracle.py SEED CASES`. Nothing here is taken from the Rust code:
where scipy has the distribution it is scipy's; integrals are by quadrature; roots and products
are in 60 decimal digits; recursions are written as sums.

A case is right when |actual - expected| <= tolerance * max(|expected|, floor).
"""

import json
import math
import sys
from decimal import Decimal, getcontext

import numpy as np
from scipy import integrate, signal, stats

getcontext().prec = 60
TAILS = [0.1, 0.05, 0.025]
EPSILON = 2.0**-52


def log_uniform(rng, low, high):
    return float(math.exp(rng.uniform(math.log(low), math.log(high))))


def outbreak(rng):
    """The smallest root of q = c + (1-c) g(q), bisected in 1-q."""
    kind = rng.integers(4)
    reproduction = 1 + log_uniform(rng, 1e-5, 1e-2) if kind == 0 else log_uniform(rng, 0.2, 30)
    dispersion = log_uniform(rng, 1e4, 1e18) if kind == 1 else log_uniform(rng, 0.02, 100)
    individual, population = (rng.uniform(0, 0.6), rng.uniform(0, 0.6)) if kind == 2 else (0.0, 0.0)
    mean, k = Decimal(reproduction) * (1 - Decimal(population)), Decimal(dispersion)
    free = 1 - Decimal(individual)

    def infects_none(s):
        return (-k * (1 + mean * s / k).ln()).exp()

    above = float(free * mean) - 1
    low, high = Decimal("1e-12"), Decimal(1)
    for _ in range(150 if above > 0 else 0):
        middle = (low + high) / 2
        if middle - free * (1 - infects_none(middle)) < 0:
            low = middle
        else:
            high = middle
    s = float(high) if above > 0 else 0.0
    many = int(rng.integers(1, 50))
    some = float(1 - (1 - Decimal(s)) ** many)
    # Near R = 1 the root moves by the rounding of its equation over R - 1.
    tolerance = 1e-13 + (4 * EPSILON / above if above > 0 else 0)
    given = [reproduction, dispersion, individual, population, many]
    return given, [s, some], tolerance, 1e-12


def beta_binomial(rng):
    a, b = log_uniform(rng, 0.05, 1e4), log_uniform(rng, 0.5, 1e7)
    n = int(log_uniform(rng, 1, 2e4))
    none, x, y = Decimal(1), Decimal(b), Decimal(a) + Decimal(b)
    for i in range(n):
        none *= (x + i) / (y + i)
    mean, variance = stats.betabinom.stats(n, a, b, moments="mv")
    # The logarithm of P(0) is a difference of numbers of the size of a.
    tolerance = 1e-12 + 4 * EPSILON * a / float(1 - none)
    return [a, b, n], [float(1 - none), float(mean), float(variance)], tolerance, 1e-300


def intervals(rng):
    """Jeffreys, Clopper-Pearson, Wilson; binomtest's exact interval is right to 2e-12 only."""
    tested = int(log_uniform(rng, 1, 1e6))
    share = rng.choice([0.0, 1.0, log_uniform(rng, 1e-4, 1)], p=[0.1, 0.1, 0.8])
    positive = min(tested, int(tested * share))
    tail = float(rng.choice(TAILS))
    test = stats.binomtest(positive, tested)
    exact = [
        stats.beta.ppf(tail, positive, tested - positive + 1) if positive else 0.0,
        stats.beta.isf(tail, positive + 1, tested - positive) if positive < tested else 1.0,
    ]
    wilson = test.proportion_ci(1 - 2 * tail, method="wilson")
    posterior = stats.beta(positive + 0.5, tested - positive + 0.5)
    ends = [posterior.ppf(tail), posterior.isf(tail), *exact, *wilson]
    # lgamma at the size of the sample, see special.rs; scipy's confidence 1 - 2 tail is rounded.
    return [positive, tested, tail], [float(end) for end in ends], 1e-9, 1e-12


def poisson(rng):
    mean = log_uniform(rng, 1e-3, 1e6)
    q = float(rng.uniform(0.001, 0.999))
    return [mean, q], [float(stats.poisson.ppf(q, mean))], 0, 1


def negative_binomial(rng):
    mean, size, q = log_uniform(rng, 1e-2, 1e5), log_uniform(rng, 0.05, 1e4), rng.uniform(0.001, 0.999)
    answer = stats.nbinom.ppf(q, size, size / (size + mean))
    return [mean, size, float(q)], [float(answer)], 0, 1


def at_most(rng):
    mean, size = log_uniform(rng, 1e-2, 1e5), log_uniform(rng, 0.05, 1e4)
    persons = int(mean * log_uniform(rng, 0.2, 4))
    answers = [
        stats.poisson.cdf(persons, mean),
        stats.nbinom.cdf(persons, size, size / (size + mean)),
    ]
    return [mean, size, persons], [float(answer) for answer in answers], 1e-9, 1


def dwell_of(rng):
    mean = log_uniform(rng, 1, 300)
    if rng.integers(2):
        return mean, 0.0, stats.expon(scale=mean)
    sd = mean * log_uniform(rng, 0.05, 5)
    sigma = math.sqrt(math.log1p((sd / mean) ** 2))
    return mean, sd, stats.lognorm(sigma, scale=mean / math.sqrt(1 + (sd / mean) ** 2))


def survival(rng):
    mean, sd, dwell = dwell_of(rng)
    minutes = mean * log_uniform(rng, 0.02, 30)
    # At a tail of 1e-250 the rounding of ln t alone is worth 1e-11.
    return [mean, sd, minutes], [float(dwell.sf(minutes))], 1e-10, 1e-250


def weights(rng):
    """The integral of survival over each window, by quadrature in pieces."""
    mean, sd, dwell = dwell_of(rng)
    window, n = log_uniform(rng, 0.1, 2) * mean, int(rng.integers(2, 9))

    def integral(low, high):
        pieces = np.linspace(low, high, 13)
        parts = [
            integrate.quad(dwell.sf, x, y, epsabs=1e-14, epsrel=1e-13)[0]
            for x, y in zip(pieces, pieces[1:])
        ]
        return math.fsum(parts)

    inside = [integral(i * window, (i + 1) * window) for i in range(n)]
    cut = 1 - math.fsum(inside) / mean
    expected = [value / window for value in inside] + [cut, float(dwell.sf(n * window))]
    return [mean, sd, window, n * window], expected, 1e-9, 1e-2


def wells_riley(rng):
    """The dose as the integral of the concentration that a differential equation has."""
    infectious, quanta = log_uniform(rng, 0.01, 20), log_uniform(rng, 0.5, 300)
    breath, hours = log_uniform(rng, 0.2, 3), log_uniform(rng, 1e-3, 10)
    volume, losses = log_uniform(rng, 20, 1e5), [float(x) for x in rng.uniform(0, 5, 4)]
    loss = math.fsum(losses)

    def concentration(t):
        return infectious * quanta / (volume * loss) * -math.expm1(-loss * t)

    dose = breath * integrate.quad(concentration, 0, hours, epsabs=0, epsrel=1e-13, limit=200)[0]
    steady = stats.poisson.sf(0, breath * hours * infectious * quanta / (volume * loss))
    given = [infectious, hours, quanta, breath, volume, *losses]
    return given, [float(steady), -math.expm1(-dose)], 1e-10, 1e-300


def origins(rng):
    rows = [
        (int(log_uniform(rng, 1, 1e6)), log_uniform(rng, 1e-9, 0.2))
        for _ in range(rng.integers(1, 12))
    ]
    none = Decimal(1)
    for n, p in rows:
        none *= (1 - Decimal(p)) ** n
    expected = sum(Decimal(n) * Decimal(p) for n, p in rows)
    answers = [float(1 - none), float(1 - (-expected).exp()), float(expected)]
    return [x for row in rows for x in row], answers, 1e-13, 1e-300


def normal(rng):
    z = float(rng.uniform(-37, 37))
    p = log_uniform(rng, 1e-300, 0.5)
    upper, quantile = stats.norm.sf(z), stats.norm.isf(p)
    return [z, p], [float(upper), float(quantile)], 1e-12, 1e-300


def student(rng):
    t = float(rng.choice([-1, 1])) * log_uniform(rng, 1e-3, 1e3)
    freedom = int(rng.integers(1, 256))
    return [t, freedom], [float(stats.t.sf(t, freedom))], 1e-10, 1e-290


def benjamini_hochberg(rng):
    p = [log_uniform(rng, 1e-12, 1) for _ in range(rng.integers(1, 60))]
    p += [p[0]] * int(rng.integers(0, 3))
    return p, stats.false_discovery_control(p, method="bh").tolist(), 1e-14, 1e-300


def skellam(rng):
    arrivals, departures = (int(log_uniform(rng, 1, 1e7)) - 1 for _ in range(2))
    departures = max(departures, 1)
    half = (arrivals + departures) / 2
    z = (arrivals - departures) / stats.skellam.std(half, half)
    return [arrivals, departures], [float(z)], 1e-14, 1e-300


def cusum(rng):
    """Without a restart the sum is the walk above its lowest point."""
    k, z = float(rng.uniform(0, 1)), rng.normal(0.3, 1.5, rng.integers(2, 80))
    walk = np.concatenate([[0.0], np.cumsum(z - k)])
    return [k, *z.tolist()], (walk - np.minimum.accumulate(walk))[1:].tolist(), 1e-12, 1


def ewma(rng):
    """A linear filter, and the limits from the variance of its weights."""
    weight, width = float(rng.uniform(0.02, 1)), float(rng.uniform(1, 4))
    z = rng.normal(0, 1.5, rng.integers(2, 80))
    average = signal.lfilter([weight], [1, weight - 1], z)
    powers = (weight * (1 - weight) ** np.arange(len(z))) ** 2
    limit = width * np.sqrt(np.cumsum(powers))
    return [weight, width, *z.tolist()], [*average.tolist(), *limit.tolist()], 1e-12, 1


def ears(rng):
    """C1 and C2 of every window, then C3, with numpy's moments; where each begins to be there."""
    y = rng.poisson(log_uniform(rng, 3, 1e4), rng.integers(14, 50)).astype(float)

    def score(at, guard):
        base = y[at - guard - 7 : at - guard]
        return float((y[at] - base.mean()) / max(base.std(ddof=1), 0.5))

    c1 = [score(at, 0) for at in range(7, len(y))]
    c2 = [score(at, 2) for at in range(9, len(y))]
    c3 = [sum(max(0.0, c - 1) for c in c2[i - 2 : i + 1]) for i in range(2, len(c2))]
    return y.tolist(), [*c1, *c2, *c3], 1e-11, 1


METHODS = {
    "outbreak probability": outbreak,
    "beta-binomial arrivals": beta_binomial,
    "Jeffreys, Clopper-Pearson, Wilson": intervals,
    "Poisson quantile": poisson,
    "negative binomial quantile": negative_binomial,
    "Poisson, negative binomial at most": at_most,
    "dwell survival": survival,
    "dwell weights": weights,
    "Wells-Riley steady, transient": wells_riley,
    "at least one, many origins": origins,
    "normal tail, quantile": normal,
    "Student tail": student,
    "Benjamini-Hochberg": benjamini_hochberg,
    "Skellam z": skellam,
    "CUSUM": cusum,
    "EWMA": ewma,
    "EARS C1, C2, C3": ears,
}


def main():
    seed, cases = int(sys.argv[1]), int(sys.argv[2])
    for number, (method, draw) in enumerate(METHODS.items()):
        rng = np.random.default_rng([seed, number])
        for _ in range(cases):
            given, expected, tolerance, floor = draw(rng)
            # As text, because serde_json reads numbers to the last bit but one.
            texts = [[repr(float(x)) for x in numbers] for numbers in (given, expected)]
            case = {"method": method, "input": texts[0], "expected": texts[1]}
            print(json.dumps(case | {"tolerance": tolerance, "floor": floor}, allow_nan=False))


main()
