"""Recipe of the checkpoint `shakespeare_gpt`: the GPT of lesson 3.3 with 1,000 merges, trained by Muon and AdamW."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from utils import bpe, data, torch_train
from utils.torch_transformers import TransformerBlock

N_VALID = 80_000  # characters at the end of the training text: as in the lesson, nothing is learnt from them
EPOCHS, DROPOUT = 18, 0.2
SHAPE = {"n_tokens": 1256, "length": 128, "d_model": 160, "n_heads": 5, "n_layers": 4}


class FusedBlock(TransformerBlock):
    """A block that looks back by PyTorch's own attention: same weights, same result, less time."""

    def forward(self, x):
        look, z = self.attention, self.norm_1(x)
        q, k, v = (look.split(part(z)) for part in (look.query, look.key, look.value))
        context = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (B, n_heads, T, d_head)
        x = x + self.dropout(look.out(context.transpose(1, 2).flatten(2)))
        return x + self.dropout(self.shrink(self.activation(self.hidden(self.norm_3(x)))))


class GPT(nn.Module):
    """ids (B, T) -> logits (B, T, n_tokens), as in lesson 3.3, with dropout."""

    def __init__(self, n_tokens, length, d_model, n_heads, n_layers, dropout=0.0):
        super().__init__()
        self.token, self.position = nn.Embedding(n_tokens, d_model), nn.Embedding(length, d_model)
        self.blocks = nn.ModuleList(
            FusedBlock(d_model, n_heads, norm_first=True, activation="gelu", dropout=dropout) for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(d_model)
        for name, weight in self.named_parameters():
            if weight.ndim == 2:
                nn.init.normal_(weight, 0, 0.02 if name.startswith(("token", "position")) else weight.shape[1] ** -0.5)
            if name.endswith(("out.weight", "shrink.weight")):
                weight.data *= (2 * n_layers) ** -0.5

    def forward(self, ids):
        x = self.token(ids) + self.position.weight[: ids.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.norm(x) @ self.token.weight.T


class Windows:
    """Batches (x, y), both (B, length), from a new cut of the tokens in every pass; y is x one token later."""

    def __init__(self, ids, length, batch_size, seed=None):
        self.ids, self.length, self.batch_size = torch.as_tensor(ids), length, batch_size
        self.generator = None if seed is None else torch.Generator().manual_seed(seed)

    def __len__(self):
        return (len(self.ids) - self.length) // self.length // self.batch_size

    def __iter__(self):
        first, n = 0, len(self) * self.batch_size
        order = torch.arange(n)
        if self.generator:
            order = torch.randperm(n, generator=self.generator)
            first = torch.randint(self.length - 1, (1,), generator=self.generator)
        for rows in order.split(self.batch_size):
            windows = self.ids[first + rows[:, None] * self.length + torch.arange(self.length + 1)]
            yield windows[:, :-1], windows[:, 1:]


class Muon(torch.optim.AdamW):
    """AdamW, except for groups with `muon`: there the momentum is made orthogonal first (Jordan et al., 2024)."""

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for weight in group["params"] if group["muon"] else ():
                momentum = self.state[weight].setdefault("momentum", torch.zeros_like(weight))
                momentum.lerp_(weight.grad, 0.05)
                update = orthogonal(weight.grad.lerp(momentum, 0.95))
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                weight.sub_(group["lr"] * max(1, weight.shape[0] / weight.shape[1]) ** 0.5 * update)
                weight.grad = None  # AdamW leaves it alone
        return super().step(closure)


def orthogonal(matrix, n_steps=5):
    """A matrix with nearly the same singular vectors, and singular values near 1 (Newton and Schulz's iteration)."""
    x = matrix.mT if matrix.shape[0] > matrix.shape[1] else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(n_steps):
        gram = x @ x.mT
        x = 3.4445 * x + (-4.775 * gram + 2.0315 * gram @ gram) @ x
    return x.mT if matrix.shape[0] > matrix.shape[1] else x


def loss_fn(logits, y):
    return F.cross_entropy(logits.flatten(0, 1), y.flatten())


def train(args, path, callbacks):
    """The trained model in half precision, and what there is to say about it."""
    text = data.load("shakespeare").x_train
    text, text_valid = text[:-N_VALID], text[-N_VALID:]
    tokenizer = bpe.BytePair.learn(text, SHAPE["n_tokens"] - 256)
    ids, ids_valid = tokenizer.encode(text), tokenizer.encode(text_valid)
    model, epochs = GPT(**SHAPE, dropout=DROPOUT), args.epochs or EPOCHS
    loaders = Windows(ids, SHAPE["length"], 16, args.seed), Windows(ids_valid, SHAPE["length"], 50)
    blocks = [weight for weight in model.blocks.parameters() if weight.ndim == 2]
    others = [weight for name, weight in model.named_parameters() if weight.ndim == 1 or not name.startswith("blocks")]
    groups = [{"params": blocks, "muon": True, "weight_decay": 0.1}, {"params": others, "muon": False}]
    optimizer = Muon(groups, lr=3e-3, betas=(0.9, 0.98), weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, [0.02, 3e-3], total_steps=epochs * len(loaders[0]), pct_start=0.05, cycle_momentum=False
    )
    history = torch_train.fit(
        model,
        *loaders,
        loss_fn=loss_fn,
        optimizer=optimizer,
        epochs=epochs,
        scheduler=torch_train.EveryStep(schedule),
        clip_norm=1.0,
        early_stopping=epochs,  # never stops early, but ends with the weights of the best epoch
        precision=args.precision,
        callbacks=callbacks,
        checkpoint=path,
    )
    best_epoch = history["val_loss"].index(min(history["val_loss"])) + 1
    bits = min(history["val_loss"]) / math.log(2) * len(ids_valid) / len(text_valid)
    source = {"data": "shakespeare (sample)", "licence": "public domain", "citation": "William Shakespeare"}
    shape = {"shape": SHAPE, "merges": tokenizer.merges, "epochs": epochs, "dropout": DROPOUT, "stored": "float16"}
    metrics = {"best_epoch": best_epoch, "val_bits_per_character": bits, "seconds_training": sum(history["seconds"])}
    return model.half(), source | shape | metrics
