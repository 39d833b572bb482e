"""Seconds per epoch of five training loops on the same data: `make bench` prints the table and checks two bounds.

Data: 10,000 Fashion-MNIST images, batches of 128, one thread. Every loop trains the same architecture with Adam. The
loops take turns and each reports its fastest epoch, so that other work on the machine disturbs all of them alike.
"""

import argparse
import logging
import os
import sys
import time
import warnings

import numpy as np

BATCH = 128
BOUNDS = {"MLP": 1.10, "CNN": 1.03}


def images(n):
    """n real images -> (x float32 (n, 28, 28, 1), y int64 (n,))."""
    from utils import data

    ds = data.load("fashion_mnist")
    return ds.x_train[:n].astype(np.float32) / 255, ds.y_train[:n].astype(np.int64)


class Loops:
    """The five loops for one model; each method trains for one epoch and returns its seconds."""

    def __init__(self, kind, x, y):
        import torch

        from utils import torch_models, torch_train

        self.kind, self.y = kind, y
        self.x = x.reshape(len(x), -1) if kind == "MLP" else x
        x_torch = torch.as_tensor(self.x)
        if kind == "CNN":  # a copy with ordinary strides: with one channel, .contiguous() would keep channels last
            x_torch = x_torch.permute(0, 3, 1, 2).clone(memory_format=torch.contiguous_format)
        self.tensors = x_torch, torch.as_tensor(y)
        build = {"MLP": lambda: torch_models.mlp(784, 128, 10), "CNN": lambda: torch_models.small_cnn(1, 10)}[kind]
        self.models = {name: build() for name in ("bare", "fit", "loader", "lightning")}
        self.optimizers = {k: torch.optim.Adam(m.parameters()) for k, m in self.models.items()}
        self.loss_fn = torch.nn.CrossEntropyLoss()
        self.cut = list(zip(*(t.split(BATCH) for t in self.tensors), strict=True))
        self.batches = torch_train.Batches(*self.tensors, BATCH)
        dataset = torch.utils.data.TensorDataset(*self.tensors)
        self.loader = torch.utils.data.DataLoader(dataset, BATCH, shuffle=True)

    def _loop(self, name, batches):
        model, optimizer, loss_fn = self.models[name], self.optimizers[name], self.loss_fn
        model.train()
        for x, y in batches:
            loss = loss_fn(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def bare(self):
        """A hand-written loop over batches that were cut beforehand, never reshuffled."""
        self._loop("bare", self.cut)

    def fit(self):
        """utils.torch_train.fit, shuffling included."""
        from utils import torch_train

        torch_train.fit(
            self.models["fit"], self.batches, loss_fn=self.loss_fn, optimizer=self.optimizers["fit"], epochs=1
        )

    def dataloader(self):
        """The hand-written loop over torch.utils.data.DataLoader."""
        self._loop("loader", self.loader)

    def lightning(self):
        """Lightning's Trainer over the same DataLoader."""
        if not hasattr(self, "trainer_model"):
            self.trainer_model = _lightning_module(self.models["lightning"], self.loss_fn)
        import lightning

        trainer = lightning.Trainer(
            max_epochs=1,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(self.trainer_model, self.loader)

    def keras_fit(self):
        """keras.Model.fit on the arrays."""
        if not hasattr(self, "model_keras"):
            import keras

            from utils import keras_models

            build = {"MLP": lambda: keras_models.mlp(784, 128, 10), "CNN": lambda: keras_models.small_cnn(1, 10)}
            self.model_keras = build[self.kind]()
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            self.model_keras.compile(optimizer="adam", loss=loss)
        self.model_keras.fit(self.x, self.y, batch_size=BATCH, epochs=1, verbose=0)


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
    """Fastest epoch of each loop over `rounds` turns, after one turn to warm up -> dict name -> seconds."""
    names = ("bare", "fit", "dataloader", "lightning", "keras_fit")
    seconds = {name: [] for name in names}
    for turn in range(rounds + 1):
        for name in names if turn % 2 else names[::-1]:
            began = time.process_time()
            getattr(loops, name)()
            if turn:
                seconds[name].append(time.process_time() - began)
    return {name: min(values) for name, values in seconds.items()}


def main(arguments=None):
    """Print the table; exit status 1 if `fit` is over a bound."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--images", type=int, default=10_000)
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")
    from utils import runtime

    runtime.import_frameworks()
    import torch

    torch.set_num_threads(1)
    x, y = images(options.images)
    print(f"seconds per epoch (CPU time of the process), {len(x)} images, batch {BATCH}, best of {options.rounds}")
    print(f"{'':6}{'bare loop':>18}{'fit':>18}{'DataLoader':>18}{'Lightning':>18}{'Keras fit':>18}")
    over = []
    for kind, bound in BOUNDS.items():
        seconds = measure(Loops(kind, x, y), options.rounds)
        ratio = {name: s / seconds["bare"] for name, s in seconds.items()}
        print(f"{kind:6}" + "".join(f"{seconds[n]:10.3f} ({ratio[n]:.2f}×)" for n in seconds))
        if ratio["fit"] > bound:
            over.append(f"{kind}: fit takes {ratio['fit']:.3f} × the bare loop, the bound is {bound}")
    print("\n".join(over) or f"fit is within its bounds: {BOUNDS}")
    return 1 if over else 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # before the frameworks are imported
    os.environ.setdefault("TQDM_DISABLE", "1")
    sys.exit(main())
