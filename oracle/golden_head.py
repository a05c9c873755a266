"""Heads that scikit-learn fits to features: multinomial logistic regression with L2, by L-BFGS to a small tolerance.

Features are centered and divided by their common deviation first, as stepladder-train's `head` does; the coefficients are
given for the features as they are. Run with scikit-learn 1.7 or newer:

    python oracle/golden_head.py

writes crates/stepladder-train/tests/golden/head.json
"""

import json
import pathlib

import numpy as np
from sklearn.linear_model import LogisticRegression

OUTPUT = pathlib.Path(__file__).parent.parent / "crates/stepladder-train/tests/golden/head.json"


def case(seed, rows, width, classes, strength, weighted):
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(rows) % classes)
    centers = rng.normal(size=(classes, width))
    features = np.maximum(0, 1 + centers[labels] + 1.5 * rng.normal(size=(rows, width)))
    features = features.astype(np.float32)
    weights = rng.choice([0.5, 1.0, 2.0], size=rows) if weighted else np.ones(rows)
    mean = features.astype(np.float64).mean(axis=0)
    deviation = np.sqrt(((features - mean) ** 2).mean())
    scaled = (features - mean) / deviation
    # C is the inverse of the strength times the sum of the weights. Of two classes, scikit-learn fits one vector w: the
    # two of a softmax are w/2 and -w/2, whose squares are half of w's.
    c = 1 / (strength * weights.sum()) * (2 if classes == 2 else 1)
    model = LogisticRegression(C=c, tol=1e-12, max_iter=100_000, solver="lbfgs")
    model.fit(scaled, labels, sample_weight=weights)
    coefficients, intercepts = model.coef_, model.intercept_
    if classes == 2:
        coefficients = np.concatenate([-coefficients / 2, coefficients / 2])
        intercepts = np.concatenate([-intercepts / 2, intercepts / 2])
    kernel = coefficients / deviation
    bias = intercepts - kernel @ mean
    bias -= bias.mean()  # All may be moved together.
    return {
        "width": width,
        "classes": classes,
        "strength": strength,
        "features": [float(x) for x in features.ravel()],
        "labels": labels.tolist(),
        "weights": weights.tolist() if weighted else [],
        "kernel": kernel.T.ravel().tolist(),
        "bias": bias.tolist(),
        "probabilities": model.predict_proba(scaled).ravel().tolist(),
    }


cases = [
    case(1, 40, 5, 3, 0.1, False),
    case(2, 30, 9, 4, 0.001, True),
    case(3, 24, 3, 2, 0.01, False),
    case(4, 20, 30, 5, 1.0, False),
]
OUTPUT.parent.mkdir(parents=True, exist_ok=True)
OUTPUT.write_text(json.dumps(cases) + "\n")
