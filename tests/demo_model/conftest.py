"""A tiny language model, and one with a vision tower grafted on; made once for the files that ask."""

import pytest


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    """A tiny Llama with a byte-level tokenizer, and more embedding rows than words, as many checkpoints have."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("llama")
    symbols = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    core = Tokenizer(models.BPE(vocab={symbol: place for place, symbol in enumerate(symbols)}, merges=[]))
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token=symbols[0], bos_token=symbols[1], eos_token=symbols[2]
    )
    config = LlamaConfig(
        vocab_size=len(symbols) + 5,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
        initializer_range=0.15,
    )
    torch.manual_seed(5)
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def grafted(llama, tmp_path_factory):
    """The same with a vision tower of 32-pixel pictures."""
    from experiments.demo_model.grafting import graft

    return graft(tmp_path_factory.mktemp("grafted"), llama, image_size=32, patch_size=8)
