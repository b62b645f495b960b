"""A real vision-language model as a source of rollouts (extra ``lvlm``): thin, since transformers, TRL and peft do the
work.
"""
