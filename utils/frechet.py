"""Fréchet distance between two sets of features: how far generated examples are from real ones."""

import numpy as np


def distance(a, b):
    """Squared Fréchet distance of two Gaussians fitted to features a (N, D) and b (M, D) -> float.

    |μ_a − μ_b|² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½), after Dowson and Landau (1982); with Inception's features it is the
    FID of Heusel et al. (2017). Few examples make it too large: compare only sets of one size.
    Raises ValueError if a set has fewer than two examples or the widths differ.
    """
    a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"features are (N, D) and (M, D) with N, M > 1; got {a.shape} and {b.shape}")
    cov_a, cov_b = np.atleast_2d(np.cov(a, rowvar=False)), np.atleast_2d(np.cov(b, rowvar=False))
    root = np.sqrt(np.clip(np.linalg.eigvals(cov_a @ cov_b).real, 0, None)).sum()  # trace of the matrix root
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a) + np.trace(cov_b) - 2 * root)


def interval(a, b, n_groups=10, z=1.96):
    """Distance of a to b with its 95 % interval from a grouped jackknife over a -> (distance, low, high).

    Each group of a is left out once; the deviation of the results, times n_groups - 1, is the error of the whole
    (Quenouille, 1949; Tukey, 1958). Bootstrap would not do: repeated examples make the covariance too small.
    """
    a, whole = np.asarray(a), distance(a, b)
    groups = np.arange(len(a)) % n_groups
    left_out = np.array([distance(a[groups != g], b) for g in range(n_groups)])
    error = np.sqrt((n_groups - 1) * np.mean((left_out - left_out.mean()) ** 2))
    return whole, whole - z * error, whole + z * error
