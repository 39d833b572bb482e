"""`make bench` measures what it says: same data and architecture, every loop trains, bounds decide the exit status."""

import bench
import numpy as np
import pytest

from utils import runtime

runtime.import_frameworks()
import torch

NAMES = ["bare", "fit", "dataloader", "lightning", "keras_fit"]


@pytest.fixture(scope="module")
def real():
    return bench.images(256)


def test_images_are_real_and_scaled(real):
    x, y = real
    assert x.shape == (256, 28, 28, 1) and x.dtype == np.float32 and x.min() == 0 and x.max() == 1
    assert y.shape == (256,) and y.dtype == np.int64 and set(y) == set(range(10))


def loss_of(loops, name):
    if name == "keras_fit":
        return loops.model_keras.evaluate(loops.x, loops.y, verbose=0)
    model = loops.models["loader" if name == "dataloader" else name]
    with torch.no_grad():
        return loops.loss_fn(model(loops.tensors[0]), loops.tensors[1]).item()


@pytest.mark.parametrize("kind", ["MLP", "CNN"])
@pytest.mark.parametrize("name", NAMES)
def test_every_loop_trains_the_same_architecture(kind, name, real):
    if name == "lightning":
        pytest.importorskip("lightning", reason="lightning is in requirements-dev.txt")
    runtime.seed(0)
    loops = bench.Loops(kind, *real)
    train = getattr(loops, name)
    train()
    first = loss_of(loops, name)
    for _ in range(5):
        train()
    assert loss_of(loops, name) < 0.9 * first
    counts = {sum(p.numel() for p in model.parameters()) for model in loops.models.values()}
    if name == "keras_fit":
        counts.add(loops.model_keras.count_params())
    assert len(counts) == 1


def test_bare_loop_sees_batches_cut_beforehand(real):
    loops = bench.Loops("MLP", *real)
    assert [len(y) for _, y in loops.cut] == [128, 128]
    assert torch.equal(loops.cut[0][0], loops.tensors[0][:128])
    assert loops.batches.shuffle  # fit pays for shuffling, as the bound says


class Clock:
    """Loops that take a known time: the warm-up turn is slow and must not count."""

    costs = {"bare": 1.0, "fit": 1.05, "dataloader": 2.0, "lightning": 3.0, "keras_fit": 1.5}

    def __init__(self, monkeypatch):
        self.now, self.turns, self.order = 0.0, dict.fromkeys(NAMES, 0), []
        monkeypatch.setattr(bench.time, "process_time", lambda: self.now)
        for name in NAMES:
            setattr(self, name, lambda name=name: self.run(name))

    def run(self, name):
        self.order.append(name)
        self.turns[name] += 1
        self.now += 0.1 if self.turns[name] == 1 else self.costs[name] + 0.5 / self.turns[name]


def test_measure_takes_the_fastest_turn_after_the_warm_up(monkeypatch):
    clock = Clock(monkeypatch)
    seconds = bench.measure(clock, rounds=4)
    assert list(seconds) == NAMES
    assert seconds == pytest.approx({name: cost + 0.1 for name, cost in clock.costs.items()})
    assert set(clock.turns.values()) == {5}
    turns = [clock.order[i : i + 5] for i in range(0, 25, 5)]
    assert turns[1] == NAMES and turns[2] == NAMES[::-1]  # the order alternates, so that nobody always comes last


@pytest.mark.parametrize(("fit", "status"), [(1.02, 0), (1.05, 1), (1.5, 1)])
def test_exit_status_and_table(monkeypatch, capsys, fit, status):
    seconds = {"bare": 2.0, "fit": 2.0 * fit, "dataloader": 4.0, "lightning": 5.0, "keras_fit": 3.0}
    monkeypatch.setattr(bench, "measure", lambda loops, rounds: seconds)
    monkeypatch.setattr(bench, "Loops", lambda kind, x, y: (kind, len(x)))
    threads = torch.get_num_threads()
    try:
        assert bench.main(["--images", "64", "--rounds", "2"]) == status
    finally:
        torch.set_num_threads(threads)
    out = capsys.readouterr().out
    assert "64 images, batch 128, best of 2" in out and "(2.00×)" in out and "(1.50×)" in out
    assert ("CNN: fit takes" in out) == (fit > 1.03) and ("MLP: fit takes" in out) == (fit > 1.10)
    assert ("fit is within its bounds" in out) == (status == 0)


def test_bounds_are_those_the_course_promises():
    assert bench.BOUNDS == {"MLP": 1.10, "CNN": 1.03}


def test_all_loops_of_the_cnn_get_images_of_one_memory_layout(real):
    loops = bench.Loops("CNN", *real)
    shuffled, _ = next(iter(loops.batches))
    loaded, _ = next(iter(loops.loader))
    assert loops.cut[0][0].stride() == shuffled.stride() == loaded.stride() == (784, 784, 28, 1)
