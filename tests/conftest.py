"""What the tests of all explorers share: the course's figure style, and the time that a redraw may take."""

import os
import time

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


@pytest.fixture
def redraw_seconds():
    """Function draw -> CPU seconds of a redraw: the least of seven, since other work only ever adds to it.

    Divided by COURSE_BUDGET_FACTOR, as the budgets of the notebooks are multiplied by it: a shared machine is slower.
    """
    from utils import widgets

    factor = float(os.environ.get("COURSE_BUDGET_FACTOR", "1"))

    def measure(draw):
        seconds = []
        for _ in range(7):
            began = time.process_time()
            widgets.png(draw()[0])
            seconds.append(time.process_time() - began)
        return min(seconds) / factor

    return measure
