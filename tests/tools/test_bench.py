"""`make bench` measures what it says: same data and architecture, every loop trains; it prints and judges nothing."""

import bench
import bench_redraws
import numpy as np
import pytest

from utils import plot, runtime

runtime.import_frameworks()
import torch

LOOPS = list(bench.LOOPS)


@pytest.mark.parametrize("kind", bench.SIZES)
def test_examples_are_real(kind):
    x, y = bench.examples(kind, 300)
    shape = {"MLP": (784,), "CNN": (28, 28, 1), "GRU": (29, 12), "transformer": (28, 28)}[kind]
    assert x.shape == (300, *shape) and x.dtype == np.float32
    assert y.shape == (300,) and y.dtype == np.int64 and y.min() == 0 and len(set(y)) == (9 if kind == "GRU" else 10)
    if kind != "GRU":
        assert x.min() == 0 and x.max() == 1


@pytest.fixture(scope="module", params=bench.SIZES)
def loops(request):
    runtime.seed(0)
    return bench.Loops(request.param, *bench.examples(request.param, 256), 64)


def loss_of(loops, name):
    if name == "keras":
        return loops.model_keras.evaluate(loops.x, loops.y, verbose=0)
    model = loops.models[name]
    with torch.no_grad():
        return loops.loss_fn(model(loops.tensors[0]), loops.tensors[1]).item()


@pytest.mark.parametrize("name", LOOPS)
def test_every_loop_trains_the_same_architecture(loops, name):
    if name == "lightning":
        pytest.importorskip("lightning", reason="lightning is in requirements-dev.txt")
    first = loss_of(loops, name)
    for _ in range(8):
        getattr(loops, name)()
    assert loss_of(loops, name) < 0.97 * first
    counts = {sum(p.numel() for p in model.parameters()) for model in loops.models.values()}
    assert counts == {loops.model_keras.count_params()}


def test_bare_loop_sees_batches_cut_beforehand(loops):
    assert [len(y) for _, y in loops.cut] == [64] * 4
    assert torch.equal(loops.cut[0][0], loops.tensors[0][:64])
    shuffled = torch.cat([y for _, y in loops._shuffle()])
    assert not torch.equal(shuffled, loops.tensors[1]) and torch.equal(shuffled.sort()[0], loops.tensors[1].sort()[0])
    assert loops.batches.shuffle  # fit pays for shuffling too


def test_all_loops_of_the_cnn_get_images_of_one_memory_layout():
    loops = bench.Loops("CNN", *bench.examples("CNN", 256), 128)
    shuffled, _ = next(iter(loops.batches))
    loaded, _ = next(iter(loops.loader))
    assert loops.cut[0][0].stride() == shuffled.stride() == loaded.stride() == (784, 784, 28, 1)


class Clock:
    """Loops that take a known time; in turn t all of them take (1 + t) times as long, and the warm-up is slow."""

    costs = dict(zip(LOOPS, (1.0, 2.0, 2.1, 3.0, 3.3, 4.0, 5.0, 6.0), strict=True))

    def __init__(self, monkeypatch):
        self.now, self.order = 0.0, []
        monkeypatch.setattr(bench.time, "process_time", lambda: self.now)
        for name in LOOPS:
            setattr(self, name, lambda name=name: self.run(name))

    def run(self, name):
        turn = self.order.count(name)
        self.order.append(name)
        self.now += self.costs[name] * (1 + turn) if turn else 100.0


def test_ratios_are_those_of_one_round_and_turns_alternate(monkeypatch):
    clock = Clock(monkeypatch)
    seconds = bench.measure(clock, rounds=7)
    assert seconds["bare"] == pytest.approx(np.arange(2.0, 9.0))  # the warm-up does not count
    turns = [clock.order[i : i + len(LOOPS)] for i in range(0, len(clock.order), len(LOOPS))]
    assert len(turns) == 8 and turns[1] == LOOPS and turns[2] == LOOPS[::-1]  # nobody always comes last
    found = bench.ratios(seconds)
    assert found["fit"] == pytest.approx([1.05] * 3)
    assert found["fit_metric"] == pytest.approx([1.1] * 3)  # each by the hand-written loop that does the same


def test_ratios_give_quartiles():
    seconds = {name: np.ones(5) for name in LOOPS} | {"fit": np.array([5.0, 1.0, 3.0, 2.0, 4.0])}
    assert bench.ratios(seconds)["fit"].tolist() == [2, 3, 4]


def test_the_table_is_printed_and_nothing_is_judged(monkeypatch, capsys):
    slow = {name: np.full(3, 9.0 if name == "fit" else 2.0) for name in LOOPS}
    monkeypatch.setattr(bench, "measure", lambda loops, rounds: slow)
    monkeypatch.setattr(bench, "Loops", lambda kind, x, y, batch_size: None)
    threads = torch.get_num_threads()
    try:
        assert bench.main(["--models", "MLP", "--examples", "64", "--rounds", "3", "--no-redraws"]) is None
    finally:
        torch.set_num_threads(threads)
    lines = capsys.readouterr().out.splitlines()
    assert "3 rounds" in lines[0] and [line.split()[:2] for line in lines[2:]] == [["MLP", "32"], ["MLP", "128"]]
    assert all("4.50 (4.50-4.50)" in line for line in lines[2:])


@pytest.mark.parametrize(
    ("folder", "lesson", "call"), bench_redraws.REDRAWS, ids=[lesson for _, lesson, _ in bench_redraws.REDRAWS]
)
def test_every_explorer_in_the_table_draws(folder, lesson, call, monkeypatch):
    import matplotlib.pyplot as plt

    monkeypatch.setattr(bench_redraws.time, "process_time", iter(range(100)).__next__)
    plt.switch_backend("agg")
    with plt.rc_context():
        plot.use_style()
        module = bench_redraws.picture(folder, lesson)
        assert bench_redraws.redraw_seconds(lambda: call(module), rounds=1) == 1
