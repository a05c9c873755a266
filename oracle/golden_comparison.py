"""Asks scipy and statsmodels about intervals, tests and sample sizes, for crates/stepladder-comparison.

    oracle/python oracle/golden_comparison.py    # writes crates/stepladder-comparison/tests/golden/comparison.json

Wilson's and Newcombe's intervals and McNemar's exact test are statsmodels' own. Tango's interval is in neither library:
it is solved here from the definition in his paper, with the nuisance parameter found by maximizing the likelihood
numerically instead of by the closed form that the crate uses. Connor's sample sizes are checked by the power that the
exact McNemar test then has, from the binomial distribution.
"""

import json
import pathlib

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import binom, norm, t
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

Z = norm.ppf(0.975)
OUT = pathlib.Path(__file__).parent.parent / "crates/stepladder-comparison/tests/golden/comparison.json"

# both right, only the first, only the second, neither
PAIRS = [
    (43, 0, 1, 0),  # Tango 1998, section 5: the crossover trial of soft lenses
    (212, 35, 41, 71),
    (230, 20, 55, 54),
    (3, 5, 1, 2),
    (50, 12, 3, 35),
    (0, 1, 1, 0),
    (10, 0, 0, 5),
    (1500, 140, 171, 439),
    (0, 30, 0, 10),
    (7000, 480, 610, 1910),
]


def tango(both, first, second, neither):
    n = both + first + second + neither

    def score(supposed):
        # The likelihood of the counts where only-second - only-first = supposed, over the share of only-first.
        def loss(only_first):
            only_second, rest = only_first + supposed, 1 - 2 * only_first - supposed
            cells = [(first, only_first), (second, only_second), (both + neither, rest)]
            return -sum(count * np.log(max(share, 1e-300)) for count, share in cells if count > 0)

        bounds = (max(0.0, -supposed), (1 - supposed) / 2)
        only_first = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-13}).x
        variance = n * (2 * only_first + supposed - supposed**2)
        return (second - first - n * supposed) / np.sqrt(max(variance, 1e-300))

    estimate, edge = (second - first) / n, 1 - 1e-9
    low = brentq(lambda s: score(s) - Z, -edge, estimate, xtol=1e-12) if estimate > -1 else -1.0
    high = brentq(lambda s: score(s) + Z, estimate, edge, xtol=1e-12) if estimate < 1 else 1.0
    return [low, high]


def connor(difference, discordant):
    z = norm.ppf(0.8)
    root = Z * np.sqrt(discordant) + z * np.sqrt(discordant - difference**2)
    return int(np.ceil((root / difference) ** 2))


def power(difference, discordant, photos):
    """Of McNemar's exact test at 5%, two-sided: over the number of photos that differ, then over who has them."""
    better = (discordant + difference) / 2 / discordant
    total = 0.0
    for differing in range(photos + 1):
        weight = binom.pmf(differing, photos, discordant)
        if weight < 1e-12:
            continue
        counts = np.arange(differing + 1)
        p = np.minimum(1, 2 * binom.cdf(np.minimum(counts, differing - counts), differing, 0.5))
        total += weight * binom.pmf(counts[p <= 0.05], differing, better).sum()
    return total


def main():
    rounded = lambda values: [float(f"{value:.12g}") for value in values]
    document = {
        "wilson": [
            {"right": right, "images": images, "interval": rounded(proportion_confint(right, images, method="wilson"))}
            for right, images in [(0, 20), (8, 17), (17, 17), (81, 263), (236, 359), (1801, 2250)]
        ],
        "newcombe": [
            {
                "first": first,
                "second": second,
                "interval": rounded(confint_proportions_2indep(*second, *first, method="newcomb", compare="diff")),
            }
            for first, second in [([48, 80], [56, 70]), ([1801, 2250], [1820, 2250]), ([10, 10], [0, 20]), ([8, 17], [12, 17])]
        ],
        "pairs": [
            {
                "pairs": dict(zip(["both", "only_first", "only_second", "neither"], pairs)),
                "p_value": float(f"{mcnemar([[pairs[0], pairs[1]], [pairs[2], pairs[3]]], exact=True).pvalue:.12g}"),
                "interval": rounded(tango(*pairs)),
            }
            for pairs in PAIRS
        ],
        "student": [[freedom, float(f"{t.ppf(0.975, freedom):.12g}")] for freedom in (1, 1.7, 2, 2.5, 4, 30, 1e4)],
        "planning": [
            {
                "difference": difference,
                "discordant": discordant,
                "photos": connor(difference, discordant),
                "power": round(power(difference, discordant, connor(difference, discordant)), 3),
            }
            for difference, discordant in [(0.05, 0.2), (0.03, 0.25), (0.1, 0.3), (0.02, 0.1)]
        ],
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(document, indent=1) + "\n")
    print("wrote", OUT)


if __name__ == "__main__":
    main()
