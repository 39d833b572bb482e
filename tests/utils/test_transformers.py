"""The transformer blocks are the same functions in both frameworks, and what `torch.nn` computes."""

import inspect

import numpy as np
import pytest

from utils import runtime

runtime.import_frameworks()
import keras
import torch
from torch import nn

from utils import keras_transformers, parity, torch_transformers

RNG = np.random.default_rng(0)
X, MEMORY = (RNG.standard_normal((2, n, 8)).astype("float32") for n in (5, 3))
PADDING = np.array([[[True, True, True]], [[True, False, False]]])  # (B, 1, S)
CAUSAL = np.tril(np.ones((1, 5, 5), bool))
KINDS = [
    {},
    {"cross": True},
    {"norm_first": True},
    {"activation": "gelu", "eps": 1e-12, "d_ff": 13},
    {"cross": True, "norm_first": True, "activation": "silu"},
]


def both(name, *arguments, **options):
    runtime.seed(0)
    pair = (getattr(module, name)(*arguments, **options) for module in (torch_transformers, keras_transformers))
    model_torch, model_keras = pair
    model_keras.build((None, None, arguments[0]))
    parity.copy_weights(model_torch, model_keras)
    return model_torch.eval(), model_keras


def outputs(model_torch, model_keras, *arrays):
    with torch.no_grad():
        torch_says = model_torch(*(None if a is None else torch.tensor(a) for a in arrays)).numpy()
    keras_says = model_keras(*(None if a is None else keras.ops.convert_to_tensor(a) for a in arrays))
    return torch_says, keras.ops.convert_to_numpy(keras_says)


@pytest.mark.parametrize(("memory", "keep"), [(None, None), (None, CAUSAL), (MEMORY, None), (MEMORY, PADDING)])
def test_attention_is_the_same_and_is_torch_multihead_attention(memory, keep):
    ours, keras_layer = both("MultiHeadAttention", 8, 2)
    torch_says, keras_says = outputs(ours, keras_layer, X, memory, keep)
    np.testing.assert_allclose(torch_says, keras_says, atol=1e-5)
    theirs = nn.MultiheadAttention(8, 2, batch_first=True)
    with torch.no_grad():
        for name in ("weight", "bias"):
            parts = [getattr(layer, name) for layer in (ours.query, ours.key, ours.value)]
            getattr(theirs, f"in_proj_{name}").copy_(torch.cat(parts))
        theirs.out_proj.load_state_dict(ours.out.state_dict())
        x, other = torch.tensor(X), torch.tensor(X if memory is None else memory)
        padding = ~torch.tensor(PADDING[:, 0]) if keep is PADDING else None
        causal = ~torch.tensor(CAUSAL[0]) if keep is CAUSAL else None
        result, shares = theirs(x, other, other, padding, attn_mask=causal, average_attn_weights=False)
        np.testing.assert_allclose(torch_says, result, atol=1e-6)
        mask = None if keep is None else torch.tensor(keep)
        np.testing.assert_allclose(ours.shares(x, other, mask), shares, atol=1e-6)


@pytest.mark.parametrize("options", KINDS)
def test_blocks_are_the_same_and_are_those_of_torch(options):
    ours, block_keras = both("TransformerBlock", 8, 2, **options)
    cross = (MEMORY, PADDING) if options.get("cross") else ()
    torch_says, keras_says = outputs(ours, block_keras, X, CAUSAL, *cross)
    np.testing.assert_allclose(torch_says, keras_says, atol=2e-5)
    kind = nn.TransformerDecoderLayer if cross else nn.TransformerEncoderLayer
    activation = {"gelu": "gelu", "silu": nn.functional.silu}.get(options.get("activation"), "relu")
    theirs = kind(
        8,
        2,
        options.get("d_ff", 32),
        layer_norm_eps=options.get("eps", 1e-5),
        activation=activation,
        norm_first=options.get("norm_first", False),
        batch_first=True,
    ).eval()
    looks = [(ours.attention, theirs.self_attn)] + ([(ours.across, theirs.multihead_attn)] if cross else [])
    with torch.no_grad():
        for mine, other in looks:
            for name in ("weight", "bias"):
                parts = [getattr(layer, name) for layer in (mine.query, mine.key, mine.value)]
                getattr(other, f"in_proj_{name}").copy_(torch.cat(parts))
            other.out_proj.load_state_dict(mine.out.state_dict())
        norms = (ours.norm_1, ours.norm_2, ours.norm_3) if cross else (ours.norm_1, ours.norm_3)
        for i, norm in enumerate(norms, 1):
            getattr(theirs, f"norm{i}").load_state_dict(norm.state_dict())
        theirs.linear1.load_state_dict(ours.hidden.state_dict())
        theirs.linear2.load_state_dict(ours.shrink.state_dict())
        causal = ~torch.tensor(CAUSAL[0])
        if cross:
            padding = ~torch.tensor(PADDING[:, 0])
            memory = torch.tensor(MEMORY)
            result = theirs(torch.tensor(X), memory, tgt_mask=causal, memory_key_padding_mask=padding)
        else:
            result = theirs(torch.tensor(X), src_mask=causal)
    np.testing.assert_allclose(torch_says, result, atol=2e-6)


def test_keras_block_trains_and_drops_only_in_training():
    block = keras_transformers.TransformerBlock(8, 2, dropout=0.5)
    still = [keras.ops.convert_to_numpy(block(X)) for _ in range(2)]
    np.testing.assert_array_equal(*still)
    moving = [keras.ops.convert_to_numpy(block(X, training=True)) for _ in range(2)]
    assert np.abs(moving[0] - moving[1]).max() > 0.1


@pytest.mark.parametrize("module", [torch_transformers, keras_transformers])
def test_errors_say_what_to_do(module):
    with pytest.raises(ValueError, match="choose n_heads that divides d_model"):
        module.MultiHeadAttention(8, 3)
    with pytest.raises(ValueError, match="must be one of relu, gelu, silu, not 'tanh'"):
        module.TransformerBlock(8, 2, activation="tanh")


def test_both_modules_offer_the_same_names_and_arguments():
    def offered(module):
        own = [part for part in vars(module).items() if getattr(part[1], "__module__", "") == module.__name__]
        return {name: [p for p in inspect.signature(part).parameters if p != "kwargs"] for name, part in own}

    assert offered(torch_transformers) == offered(keras_transformers) and len(offered(torch_transformers)) >= 4
