"""What the tests of all explorers share: the course's figure style."""

import pytest


@pytest.fixture
def style():
    """The style of the course's figures, without a window; closes them all afterwards."""
    import matplotlib.pyplot as plt

    from utils import plot

    plt.switch_backend("agg")
    with plt.rc_context():
        plot.use_style()
        yield
    plt.close("all")
