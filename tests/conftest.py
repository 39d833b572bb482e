"""What tests share: the course's figure style, and a Ctrl-C that works wherever the suite was started."""

import signal

import pytest


@pytest.fixture(autouse=True, scope="session")
def ctrl_c_interrupts():
    """A shell starts background jobs with Ctrl-C ignored; tests of Ctrl-C need Python's own answer to it."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
