"""Configurations as people have them, read into flat keys: YAML, JSON, TOML, Python keywords, Hydra overrides, command
lines. Nothing is evaluated; an unreadable file is one error with its place.
"""

import ast
import json
import re
import shlex
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tamdp_theory import InputError, storage

Flat = dict[str, Any]
_OVERRIDE = re.compile(r"[+~]{0,2}([A-Za-z_][\w./]*)=(.*)", re.DOTALL)


def read(path: str | Path) -> Flat:
    """Keys, joined by dots, and values of a configuration. InputError where it is none."""
    text = storage.read_bytes(path).decode("utf-8", errors="replace").removeprefix("\ufeff")
    if not text.strip():
        raise InputError(f"{path}: the file is empty; expected a configuration")
    kind = Path(path).suffix.lower()
    try:
        if kind == ".toml":
            return flat(tomllib.loads(text))
        if kind == ".json":
            return flat(json.loads(text))
        if kind == ".py":
            return keywords(text)
        if kind in (".sh", ".txt", ".args", ".cmd"):
            return arguments(text)
        return flat(yaml.safe_load(text))
    except (ValueError, SyntaxError, RecursionError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not readable as {kind or '.yaml'}: {reason}") from error


def flat(content: Any, prefix: str = "") -> Flat:
    """Nested mappings with their keys joined by dots. InputError where the top is no mapping."""
    if not isinstance(content, Mapping):
        raise InputError(f"expected keys and values at the top, got {type(content).__name__}")
    found: Flat = {}
    for key, value in content.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{name}.")
        else:
            found[name] = value
    return found


def keywords(text: str) -> Flat:
    """Keyword arguments of the first call of something called ...Config, literals alone."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and _name(node.func).endswith(("Config", "Arguments")):
            found = {}
            for keyword in node.keywords:
                if keyword.arg is not None:
                    try:
                        found[keyword.arg] = ast.literal_eval(keyword.value)
                    except ValueError:
                        found[keyword.arg] = ast.unparse(keyword.value)
            return found
    raise ValueError("no call of a ...Config with keyword arguments")


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def arguments(text: str) -> Flat:
    """``--key value`` options and ``key=value`` overrides of a command line or a shell script."""
    words = shlex.split(text.replace("\\\n", " "), comments=True)
    found: Flat = {}
    for place, word in enumerate(words):
        if word.startswith("--"):
            name, sign, value = word[2:].partition("=")
            after = words[place + 1] if place + 1 < len(words) else "--"
            found[name.replace("-", "_")] = _value(value if sign else after if not after.startswith("--") else "true")
        elif (match := _OVERRIDE.fullmatch(word)) and not _takes_a_value(words[place - 1] if place else ""):
            found[match[1]] = _value(match[2])
    if not found:
        raise ValueError("no --key value and no key=value")
    return found


def _takes_a_value(word: str) -> bool:
    return word.startswith("--") and "=" not in word


def _value(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
