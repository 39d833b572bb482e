"""What the course's training loop costs: `make bench` prints ratios of times and the redraw times of explorers.

Four models, batches of 32 and 128, one thread. In each round every loop trains the same architecture with Adam for one
epoch on the same data; they take turns, in alternating order, and each round gives one ratio to a hand-written loop of
that round, so that other work on the machine disturbs all alike. Medians and quartiles are printed; nothing is judged.
"""

import argparse
import logging
import os
import time
import warnings

import bench_redraws
import numpy as np

BATCHES = (32, 128)
SIZES = {"MLP": 5_000, "CNN": 1_000, "GRU": 1_000, "transformer": 1_000}  # examples an epoch
# each loop and the loop that its time is divided by: of the hand-written ones, the one that does the same work
LOOPS = {
    "bare": "bare",
    "shuffled": "bare",
    "fit": "shuffled",
    "metric": "bare",
    "fit_metric": "metric",
    "dataloader": "bare",
    "lightning": "bare",
    "keras": "bare",
}


def examples(kind, n):
    """n real examples -> (x float32, y int64 (n,)).

    x: images (n, 784), (n, 28, 28, 1) or (n, 28, 28); for the GRU the 270 utterances of Japanese vowels, repeated,
    (n, 29, 12).
    """
    from utils import data

    if kind == "GRU":
        ds = data.load("japanese_vowels")
        rows = np.random.default_rng(0).permutation(n) % len(ds.x_train)  # the file is sorted by speaker
        return ds.x_train[rows], ds.y_train[rows].astype(np.int64)
    ds = data.load("fashion_mnist")
    shape = {"MLP": (784,), "CNN": (28, 28, 1), "transformer": (28, 28)}[kind]
    return ds.x_train[:n].reshape(-1, *shape).astype(np.float32) / 255, ds.y_train[:n].astype(np.int64)


def build_torch(kind):
    """The PyTorch model of that kind -> nn.Module giving logits (B, K)."""
    from torch import nn

    from utils import torch_models

    class GRU(nn.Module):
        def __init__(self):
            super().__init__()
            self.gru, self.out = nn.GRU(12, 32, batch_first=True), nn.Linear(32, 9)

        def forward(self, x):  # (B, 29, 12) -> (B, 9)
            return self.out(self.gru(x)[0].mean(1))

    class Transformer(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Linear(28, 32)
            self.block = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
            self.out = nn.Linear(32, 10)

        def forward(self, x):  # (B, 28, 28), rows as tokens -> (B, 10)
            return self.out(self.block(self.embed(x)).mean(1))

    builders = {"MLP": lambda: torch_models.mlp(784, 128, 10), "CNN": lambda: torch_models.small_cnn(1, 10)}
    return (builders | {"GRU": GRU, "transformer": Transformer})[kind]()


def build_keras(kind):
    """The same model in Keras, compiled with Adam."""
    import keras
    from keras import layers

    from utils import keras_models

    if kind in ("MLP", "CNN"):
        model = keras_models.mlp(784, 128, 10) if kind == "MLP" else keras_models.small_cnn(1, 10)
    elif kind == "GRU":
        hidden = [layers.GRU(32, return_sequences=True), layers.GlobalAveragePooling1D()]
        model = keras.Sequential([keras.Input((29, 12)), *hidden, layers.Dense(9)])
    else:
        x = keras.Input((28, 28))
        h = layers.Dense(32)(x)
        h = layers.LayerNormalization()(h + layers.MultiHeadAttention(4, 8)(h, h))
        wide = layers.Dense(64, activation="relu")(h)
        h = layers.LayerNormalization()(h + layers.Dense(32)(wide))
        model = keras.Model(x, layers.Dense(10)(layers.GlobalAveragePooling1D()(h)))
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


class Loops:
    """The loops for one kind of model; each method trains its own copy for one epoch."""

    def __init__(self, kind, x, y, batch_size):
        import torch

        from utils import torch_train

        self.x, self.y, self.batch_size = x, y, batch_size
        x_torch = torch.as_tensor(x)
        if kind == "CNN":  # a copy with ordinary strides: with one channel, .contiguous() would keep channels last
            x_torch = x_torch.permute(0, 3, 1, 2).clone(memory_format=torch.contiguous_format)
        self.tensors = x_torch, torch.as_tensor(y)
        self.models = {name: build_torch(kind) for name in LOOPS if name != "keras"}
        self.optimizers = {name: torch.optim.Adam(model.parameters()) for name, model in self.models.items()}
        self.loss_fn = torch.nn.CrossEntropyLoss()
        self.cut = list(zip(*(t.split(batch_size) for t in self.tensors), strict=True))
        self.batches = torch_train.Batches(*self.tensors, batch_size)
        self.loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*self.tensors), batch_size, True)
        self.model_keras = build_keras(kind)

    def _loop(self, name, batches, metric=False):
        model, optimizer, loss_fn, right = self.models[name], self.optimizers[name], self.loss_fn, []
        model.train()
        for x, y in batches:
            outputs = model(x)
            loss = loss_fn(outputs, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if metric:
                right.append((outputs.argmax(1) == y).sum())
        return sum(right)

    def bare(self):
        """A hand-written loop over batches that were cut beforehand, never reshuffled."""
        self._loop("bare", self.cut)

    def shuffled(self):
        """The same loop with batches in a new order."""
        self._loop("shuffled", self._shuffle())

    def metric(self):
        """The same loop with batches in a new order that also counts right answers."""
        self._loop("metric", self._shuffle(), metric=True)

    def _shuffle(self):
        import torch

        x, y = self.tensors
        for rows in torch.randperm(len(x)).split(self.batch_size):
            yield x[rows], y[rows]

    def fit(self):
        """utils.torch_train.fit, shuffling included."""
        self._fit("fit")

    def fit_metric(self):
        """utils.torch_train.fit with accuracy."""
        self._fit("fit_metric", metrics=("accuracy",))

    def _fit(self, name, **options):
        from utils import torch_train

        optimizer = self.optimizers[name]
        torch_train.fit(self.models[name], self.batches, loss_fn=self.loss_fn, optimizer=optimizer, epochs=1, **options)

    def dataloader(self):
        """The hand-written loop over torch.utils.data.DataLoader."""
        self._loop("dataloader", self.loader)

    def lightning(self):
        """Lightning's Trainer over the same DataLoader."""
        if not hasattr(self, "trainer_model"):
            self.trainer_model = _lightning_module(self.models["lightning"], self.loss_fn)
        import lightning

        parts = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
        lightning.Trainer(max_epochs=1, accelerator="cpu", **parts).fit(self.trainer_model, self.loader)

    def keras(self):
        """keras.Model.fit on the arrays."""
        self.model_keras.fit(self.x, self.y, batch_size=self.batch_size, epochs=1, verbose=0)


def _lightning_module(model, loss_fn):
    import lightning
    import torch

    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)  # importing it has set INFO

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = model

        def training_step(self, batch, index):
            x, y = batch
            return loss_fn(self.model(x), y)

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters())

    return Module()


def measure(loops, rounds):
    """CPU seconds of each loop in each of `rounds` turns, after one turn to warm up -> dict name -> array (rounds,)."""
    seconds = {name: [] for name in LOOPS}
    for turn in range(rounds + 1):
        for name in LOOPS if turn % 2 else reversed(LOOPS):
            began = time.process_time()
            getattr(loops, name)()
            if turn:
                seconds[name].append(time.process_time() - began)
    return {name: np.array(values) for name, values in seconds.items()}


def ratios(seconds):
    """Quartiles of each loop's time by that of the hand-written one in the same round -> dict name -> array (3,)."""
    return {name: np.quantile(seconds[name] / seconds[other], (0.25, 0.5, 0.75)) for name, other in LOOPS.items()}


def main(arguments=None):
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--models", nargs="*", choices=SIZES, default=list(SIZES))
    parser.add_argument("--examples", type=int, help="an epoch, instead of the number that suits each model")
    parser.add_argument("--no-redraws", action="store_true")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    from utils import plot, runtime

    runtime.import_frameworks()
    import matplotlib.pyplot as plt
    import torch

    torch.set_num_threads(1)
    print(f"CPU time ÷ that of the hand-written loop in brackets, {options.rounds} rounds: median (quartiles)")
    heads = [f"{name} [{other}]" for name, other in LOOPS.items() if name != "bare"]
    print("model      batch    bare" + "".join(f"{head:>20}" for head in heads))
    for kind, batch_size in ((kind, size) for kind in options.models for size in BATCHES):
        loops = Loops(kind, *examples(kind, options.examples or SIZES[kind]), batch_size)
        found = ratios(seconds := measure(loops, options.rounds))
        cells = [f"{q[1]:.2f} ({q[0]:.2f}-{q[2]:.2f})" for name, q in found.items() if name != "bare"]
        print(
            f"{kind:12}{batch_size:4} {np.median(seconds['bare']):5.2f} s" + "".join(f"{c:>20}" for c in cells),
            flush=True,
        )
    if options.no_redraws:
        return
    plt.switch_backend("agg")
    plot.use_style()
    bench_redraws.show()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before the frameworks are imported
    os.environ.setdefault("TQDM_DISABLE", "1")
    main()
