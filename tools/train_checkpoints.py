"""Train the small checkpoints of the course again; the lessons load them from `utils/weights/`.

    python tools/train_checkpoints.py                         # lists them
    python tools/train_checkpoints.py fashion_classifier      # about five minutes on one CPU core
    python tools/train_checkpoints.py fashion_unet            # about an hour on one CPU core, minutes on a GPU
    python tools/train_checkpoints.py shakespeare_gpt         # about forty minutes on one CPU core

Data, seed, recipe, duration and metrics are stored in the file itself: `checkpoint.load(path)[1]`. Training goes on
where it stopped if it is interrupted (`runs/<name>.safetensors`).
"""

import argparse
import os
import platform
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import shakespeare_gpt as gpt  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from utils import checkpoint, data, diffusion, frechet, runtime, torch_callbacks, torch_models, torch_train  # noqa: E402


class NoisyBatches:
    """Batches ((x_t, t), noise) with new times and new noise in every pass.

    x: (N, C, H, W) float32 in -1..1; the generator's state is what a checkpoint of `fit` keeps.
    """

    def __init__(self, x, alpha_bar, batch_size, seed):
        self.x, self.alpha_bar = torch.as_tensor(x), torch.tensor(alpha_bar, dtype=torch.float32)
        self.batch_size, self.generator = batch_size, torch.Generator().manual_seed(seed)

    def __len__(self):
        return len(self.x) // self.batch_size

    def __iter__(self):
        rows = torch.randperm(len(self.x), generator=self.generator)[: len(self) * self.batch_size]
        for x in self.x[rows].split(self.batch_size):
            t = torch.randint(1, len(self.alpha_bar), (len(x),), generator=self.generator)
            noise = torch.randn(x.shape, generator=self.generator)
            a = self.alpha_bar[t][:, None, None, None]
            yield (a.sqrt() * x + (1 - a).sqrt() * noise, t), noise


def images(part):
    """Fashion-MNIST as PyTorch wants it: ((N, 1, 28, 28) float32 in -1..1, classes (N,))."""
    x, y = data.load("fashion_mnist", split=part)
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)) / np.float32(127.5) - 1, y


def fashion_classifier(args):
    """The classifier whose features measure generated clothes."""
    (x, y), (x_test, y_test) = images("train"), images("test")
    model, epochs = torch_models.feature_cnn(1, 10), args.epochs or 15
    train = torch_train.Batches(x, y, 64, seed=args.seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * len(train))
    history = torch_train.fit(
        model,
        train,
        torch_train.Batches(x_test, y_test, 500, shuffle=False),
        loss_fn=nn.CrossEntropyLoss(),
        optimizer=optimizer,
        epochs=epochs,
        metrics=("accuracy",),
        scheduler=torch_train.EveryStep(schedule),
        checkpoint=ROOT / "runs" / "fashion_classifier.safetensors",
    )
    features = [torch_train.predict(model[:-1], part) for part in (x, x_test)]
    metrics = {"test_accuracy": history["val_accuracy"][-1], "frechet_train_to_test": frechet.distance(*features)}
    return model, {"epochs": epochs, **metrics, "seconds_training": sum(history["seconds"])}


def fashion_unet(args):
    """The noise-predicting U-Net of lesson 4.3: the running average of its weights."""
    x, _ = images("train")
    model, epochs, alpha_bar = torch_models.UNet(), args.epochs or 150, diffusion.cosine_schedule()
    train = NoisyBatches(x, alpha_bar, 64, args.seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1.5e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1.5e-3, total_steps=epochs * len(train), pct_start=0.05)
    ema = torch_callbacks.Ema(0.9995)
    history = torch_train.fit(
        model,
        train,
        loss_fn=F.mse_loss,
        optimizer=optimizer,
        epochs=epochs,
        scheduler=torch_train.EveryStep(schedule),
        clip_norm=1.0,
        precision=args.precision,
        callbacks=[ema, *([Log()] if runtime.quiet() else [])],
        checkpoint=ROOT / "runs" / "fashion_unet.safetensors",
    )
    metrics = {"loss": history["loss"][-1], "seconds_training": sum(history["seconds"])}
    return ema.average, {
        "epochs": epochs,
        "images_seen": epochs * len(train) * 64,
        **metrics,
        **quality(ema.average, x),
    }


def shakespeare_gpt(args):
    """The GPT of lesson 3.3, with the merges of its tokenizer."""
    return gpt.train(args, ROOT / "runs" / "shakespeare_gpt.safetensors", [Log()] if runtime.quiet() else [])


class Log(torch_callbacks.Callback):
    """One line an epoch, where there is no progress bar."""

    def on_epoch_end(self, run):
        print(run.epoch, {k: round(v[-1], 4) for k, v in run.history.items()}, flush=True)


def quality(model, x, n=2000, n_steps=50):
    """Fréchet distances of n samples, and of n real test images as the floor, to the training images."""
    classifier = torch_models.feature_cnn(1, 10)
    checkpoint.load_torch(checkpoint.course("fashion_classifier"), classifier)
    features = lambda images: torch_train.predict(classifier[:-1], images.astype("float32"))
    predict = lambda x, t: torch_train.predict(model, (x, t))
    noise = np.random.default_rng(0).standard_normal((n, 1, 28, 28)).astype("float32")
    real, (x_test, _) = features(x), images("test")
    sets = {"noise": noise, "samples": diffusion.sample(predict, noise, diffusion.cosine_schedule(), n_steps)}
    sets["real"] = x_test[:n]
    return {f"frechet_{name}": frechet.distance(features(images), real) for name, images in sets.items()}


CHECKPOINTS = {
    "fashion_classifier": fashion_classifier,
    "fashion_unet": fashion_unet,
    "shakespeare_gpt": shakespeare_gpt,
}
FASHION = {"data": "fashion_mnist (sample)", "licence": "MIT", "citation": "Xiao, Rasul & Vollgraf (2017)"}


def main():
    parser = argparse.ArgumentParser(description="Train a checkpoint of the course again.")
    parser.add_argument("name", nargs="?", choices=CHECKPOINTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, help="default: the recipe's")
    parser.add_argument("--precision", default="auto", choices=runtime.PRECISIONS, help="of the U-Net's training")
    args = parser.parse_args()
    if not args.name:
        print("\n".join(f"{name:20} {function.__doc__}" for name, function in CHECKPOINTS.items()))
        return
    runtime.import_frameworks()  # in the right order: seeding reaches both
    runtime.seed(args.seed)
    began = time.perf_counter()
    model, recipe = CHECKPOINTS[args.name](args)
    recipe |= {"seed": args.seed, "precision": args.precision, "seconds": round(time.perf_counter() - began)}
    recipe |= {"device": str(runtime.torch_device()), "threads": torch.get_num_threads(), "torch": torch.__version__}
    recipe |= {"machine": platform.machine(), "cores": os.cpu_count(), "script": "tools/train_checkpoints.py"}
    recipe = FASHION | recipe
    path = checkpoint.save_torch(ROOT / "utils" / "weights" / f"{args.name}.safetensors", model, recipe)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1e6:.1f} MB", recipe)


if __name__ == "__main__":
    main()
