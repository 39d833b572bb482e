"""Two-dimensional toy problems: each returns points x (n, 2) float32 and class indices y (n,) int64.

The same `seed` gives the same points on every machine.
"""

import numpy as np


def xor(n=200, noise=0.1, seed=0):
    """Points around the corners (0,0), (0,1), (1,0), (1,1) of the unit square; y is the XOR of the corner.

    `noise` is the standard deviation around a corner. `xor(n=4, noise=0)` is the truth table itself.
    """
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])[np.arange(n) % 4]  # (n, 2)
    y = corners[:, 0] ^ corners[:, 1]  # (n,)
    return _float_points(corners + noise * _rng(seed).randn(n, 2), y)


def moons(n=200, noise=0.1, seed=0):
    """Two interleaving half circles of radius 1; `noise` is the standard deviation of the points."""
    from sklearn.datasets import make_moons

    return _float_points(*make_moons(n, noise=noise, random_state=seed))


def blobs(n=200, n_classes=3, spread=1.0, seed=0):
    """One Gaussian blob per class, with centres in [-10, 10] and standard deviation `spread`."""
    from sklearn.datasets import make_blobs

    return _float_points(*make_blobs(n, centers=n_classes, cluster_std=spread, random_state=seed))


def spirals(n=300, n_classes=3, noise=0.1, seed=0):
    """One spiral arm per class, from the origin to radius 1, turned against each other.

    `noise` is the standard deviation of the angle in units of 2 rad.
    """
    rng = _rng(seed)
    y = rng.permutation(np.arange(n) % n_classes)
    radius = rng.permutation(np.linspace(0, 1, n))
    angle = 4 * radius + 2 * np.pi * y / n_classes + 2 * noise * rng.randn(n)  # in rad
    return _float_points(radius[:, None] * np.stack([np.sin(angle), np.cos(angle)], axis=1), y)


def _rng(seed):
    return np.random.RandomState(seed)  # noqa: NPY002  its numbers never change between NumPy versions


def _float_points(x, y):
    return x.astype(np.float32), y.astype(np.int64)
