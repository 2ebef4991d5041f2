# SPDX-License-Identifier: GPL-2.0-or-later
"""Medians, percentiles, intervals, and how numbers are written."""

import math
import random

BOOTSTRAPS = 5000


def median(values):
    s = sorted(values)
    n = len(s)
    return s[n // 2] if n % 2 else (s[n // 2 - 1] + s[n // 2]) / 2


def percentile(values, p):
    """Nearest rank: a value that was really measured."""
    s = sorted(values)
    return s[max(0, math.ceil(len(s) * p / 100) - 1)]


def interval95(values, seed=1):
    """Bootstrap interval of the median; the same for the same values."""
    rng = random.Random(seed)
    n = len(values)
    if n < 3:
        return min(values), max(values)
    medians = sorted(median(rng.choices(values, k=n)) for _ in range(BOOTSTRAPS))
    return medians[int(BOOTSTRAPS * 0.025)], medians[int(BOOTSTRAPS * 0.975)]


def spread(values):
    """How far the middle 80 % lie apart, as a share of the median."""
    return (percentile(values, 90) - percentile(values, 10)) / median(values)


def fmt(value, digits=3):
    """Three significant digits, and thousands apart."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(decimals, 4)}f}"


def with_interval(values, digits=3):
    low, high = interval95(values)
    return f"{fmt(median(values), digits)} [{fmt(low, digits)}, {fmt(high, digits)}]"
