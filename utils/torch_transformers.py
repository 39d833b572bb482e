"""Blocks of transformers as lesson 3.1 builds them, in PyTorch; `utils.keras_transformers` has the same names.

`keep` is True where one may look, as in lesson 2.12: (B, 1, S) for padding, (1, T, T) for the past, or (B, T, S).
"""

import torch
from torch import nn
from torch.nn import functional as F

ACTIVATIONS = {"relu": F.relu, "gelu": F.gelu, "silu": F.silu}


class MultiHeadAttention(nn.Module):
    """Attention in `n_heads` heads side by side (Vaswani et al., 2017), lesson 3.1.

    x (B, T, d_model), memory (B, S, d_model), keep (B, 1 or T, S) -> (B, T, d_model); without `memory`, x looks at
    itself. `shares` gives the weights of the mixture, (B, n_heads, T, S).
    """

    def __init__(self, d_model, n_heads):
        super().__init__()
        check_heads(d_model, n_heads)
        self.n_heads = n_heads
        self.query, self.key, self.value = (nn.Linear(d_model, d_model) for _ in range(3))
        self.out = nn.Linear(d_model, d_model)

    def forward(self, x, memory=None, keep=None):
        memory = x if memory is None else memory
        context = self.shares(x, memory, keep) @ self.split(self.value(memory))
        return self.out(context.transpose(1, 2).flatten(2))

    def shares(self, x, memory=None, keep=None):
        q, k = self.split(self.query(x)), self.split(self.key(x if memory is None else memory))
        scores = q @ k.mT / k.shape[-1] ** 0.5  # (B, n_heads, T, S)
        if keep is not None:
            scores = scores.masked_fill(~keep[:, None], -torch.inf)
        return scores.softmax(-1)

    def split(self, x):  # (B, T, d_model) -> (B, n_heads, T, d_head)
        return x.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)


class TransformerBlock(nn.Module):
    """Look, then think, each added to the word (Vaswani et al., 2017), lesson 3.1; a decoder's block looks across too.

    x (B, T, d_model), keep, memory (B, S, d_model), keep_memory -> (B, T, d_model). `cross` adds the look at `memory`.
    The MLP has `d_ff` hidden units, 4 * d_model by default. `norm_first` normalizes before each part, as GPT-2 does
    (Radford et al., 2019), in place of after each sum. Raises ValueError for an unknown `activation`.
    """

    def __init__(
        self, d_model, n_heads, d_ff=None, *, cross=False, norm_first=False, activation="relu", eps=1e-5, dropout=0.0
    ):
        super().__init__()
        check_activation(activation, ACTIVATIONS)
        d_ff = 4 * d_model if d_ff is None else d_ff
        self.attention, self.norm_1 = MultiHeadAttention(d_model, n_heads), nn.LayerNorm(d_model, eps)
        if cross:
            self.across, self.norm_2 = MultiHeadAttention(d_model, n_heads), nn.LayerNorm(d_model, eps)
        self.hidden, self.shrink = nn.Linear(d_model, d_ff), nn.Linear(d_ff, d_model)
        self.norm_3 = nn.LayerNorm(d_model, eps)
        self.dropout, self.norm_first, self.activation = nn.Dropout(dropout), norm_first, ACTIVATIONS[activation]

    def forward(self, x, keep=None, memory=None, keep_memory=None):
        x = self.add(x, self.norm_1, lambda x: self.attention(x, None, keep))
        if memory is not None:
            x = self.add(x, self.norm_2, lambda x: self.across(x, memory, keep_memory))
        return self.add(x, self.norm_3, lambda x: self.shrink(self.activation(self.hidden(x))))

    def add(self, x, norm, part):
        if self.norm_first:
            return x + self.dropout(part(norm(x)))
        return norm(x + self.dropout(part(x)))


def check_heads(d_model, n_heads):
    """Raise ValueError unless the width can be cut into equal heads."""
    if n_heads < 1 or d_model % n_heads:
        raise ValueError(f"d_model = {d_model} cannot be cut into {n_heads} heads: choose n_heads that divides d_model")


def check_activation(activation, known):
    """Raise ValueError for an activation that the block does not have."""
    if activation not in known:
        raise ValueError(f"activation must be one of {', '.join(known)}, not {activation!r}")
