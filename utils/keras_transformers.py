"""Blocks of transformers as lesson 3.1 builds them, in Keras; `utils.torch_transformers` has the same names.

`keep` is True where one may look, as in lesson 2.12: (B, 1, S) for padding, (1, T, T) for the past, or (B, T, S).
"""

from keras import layers, ops

ACTIVATIONS = {"relu": ops.relu, "gelu": lambda x: ops.gelu(x, approximate=False), "silu": ops.silu}


class MultiHeadAttention(layers.Layer):
    """Attention in `n_heads` heads side by side (Vaswani et al., 2017), lesson 3.1.

    x (B, T, d_model), memory (B, S, d_model), keep (B, 1 or T, S) -> (B, T, d_model); without `memory`, x looks at
    itself. `shares` gives the weights of the mixture, (B, n_heads, T, S).
    """

    def __init__(self, d_model, n_heads, **kwargs):
        super().__init__(**kwargs)
        check_heads(d_model, n_heads)
        self.d_model, self.n_heads = d_model, n_heads
        self.query, self.key, self.value = (layers.Dense(d_model) for _ in range(3))
        self.out = layers.Dense(d_model)

    def build(self, shape, *_):
        for dense in (self.query, self.key, self.value, self.out):
            dense.build((None, None, self.d_model))

    def call(self, x, memory=None, keep=None):
        memory = x if memory is None else memory
        context = ops.matmul(self.shares(x, memory, keep), self.split(self.value(memory)))
        return self.out(ops.reshape(ops.swapaxes(context, 1, 2), ops.shape(x)))

    def shares(self, x, memory=None, keep=None):
        q, k = self.split(self.query(x)), self.split(self.key(x if memory is None else memory))
        scores = ops.matmul(q, ops.swapaxes(k, 2, 3)) / (self.d_model // self.n_heads) ** 0.5  # (B, n_heads, T, S)
        if keep is not None:
            scores = ops.where(keep[:, None], scores, -1e9)
        return ops.softmax(scores)

    def split(self, x):  # (B, T, d_model) -> (B, n_heads, T, d_head)
        heads = ops.reshape(x, (-1, ops.shape(x)[1], self.n_heads, self.d_model // self.n_heads))
        return ops.swapaxes(heads, 1, 2)


class TransformerBlock(layers.Layer):
    """Look, then think, each added to the word (Vaswani et al., 2017), lesson 3.1; a decoder's block looks across too.

    x (B, T, d_model), keep, memory (B, S, d_model), keep_memory -> (B, T, d_model). `cross` adds the look at `memory`.
    The MLP has `d_ff` hidden units, 4 * d_model by default. `norm_first` normalizes before each part, as GPT-2 does
    (Radford et al., 2019), in place of after each sum. Raises ValueError for an unknown `activation`.
    """

    def __init__(
        self,
        d_model,
        n_heads,
        d_ff=None,
        *,
        cross=False,
        norm_first=False,
        activation="relu",
        eps=1e-5,
        dropout=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_activation(activation, ACTIVATIONS)
        self.d_model, self.d_ff, self.cross = d_model, 4 * d_model if d_ff is None else d_ff, cross
        self.attention, self.norm_1 = MultiHeadAttention(d_model, n_heads), layers.LayerNormalization(epsilon=eps)
        if cross:
            self.across, self.norm_2 = MultiHeadAttention(d_model, n_heads), layers.LayerNormalization(epsilon=eps)
        self.hidden, self.shrink = layers.Dense(self.d_ff), layers.Dense(d_model)
        self.norm_3 = layers.LayerNormalization(epsilon=eps)
        self.dropout, self.norm_first, self.activation = layers.Dropout(dropout), norm_first, ACTIVATIONS[activation]

    def build(self, shape, *_):
        shape = (None, None, self.d_model)
        looks = [self.attention, self.norm_1, *([self.across, self.norm_2] if self.cross else [])]
        for layer in (*looks, self.hidden, self.norm_3):
            layer.build(shape)
        self.shrink.build((None, None, self.d_ff))

    def call(self, x, keep=None, memory=None, keep_memory=None):
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
