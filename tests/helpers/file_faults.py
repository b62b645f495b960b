"""Every fault a tamdp/1 file can have before its content is read."""

from tests.helpers.faults import LONG
from tests.helpers.sound import TEXT, text

_NAN = "(NaN and Infinity are not JSON numbers)"

# (name, content of the file, what the message says after the path)
FILE_FAULTS: tuple[tuple[str, bytes, str], ...] = (
    ("empty", b"", "the file is empty; expected a tamdp/1 JSON object"),
    ("whitespace", b" \n\t\r\n", "the file is empty; expected a tamdp/1 JSON object"),
    ("not-json", b"schema: tamdp/1\n", "not JSON: "),
    ("truncated", TEXT[:300].encode(), f"not JSON: Input data was truncated {_NAN}"),
    ("trailing", (TEXT + "]").encode(), "not JSON: JSON is malformed: trailing characters"),
    ("binary", bytes(range(256)), "not JSON: "),
    ("utf-16", TEXT.encode("utf-16"), "not JSON: "),
    ("invalid-utf-8", text('"sound"', '"so\ufffdnd"').replace("\ufffd".encode(), b"\xff"), "not JSON: "),
    ("lone-surrogate", text('"sound"', '"\\ud800"'), "not JSON: "),
    ("nan", text("0.75", "NaN"), f"not JSON: JSON is malformed: invalid character (byte {TEXT.index('0.75')}) {_NAN}"),
    ("infinity", text("0.75", "Infinity"), "not JSON: "),
    ("minus-infinity", text("0.75", "-Infinity"), "not JSON: "),
    ("list", b"[]", "expected `object`, got `array`"),
    ("number", b"3", "expected `object`, got `int`"),
    ("null", b"null", "expected `object`, got `null`"),
    ("no-fields", b"{}", "schema: expected 'tamdp/1', found none"),
    ("brackets", b"[" * 100_000, "expected `object`, got `array`"),
    ("deep-objects", b'{"schema":' * 100_000, "JSON nested too deep; a tamdp/1 file has at most 8 levels"),
    (
        "deep-number",
        text("0.75", "[" * 100_000 + "]" * 100_000),
        "JSON nested too deep; a tamdp/1 file has at most 8 levels",
    ),
    (
        "huge-exponent",
        text("0.75", "1e999999999"),
        'prompts[0].probability: 1e999999999 is out of range; write it as "a/b"',
    ),
    ("large-exponent", text("0.75", "1e999"), f"prompts[0].probability: {LONG}"),
    ("small-exponent", text("0.75", "1e-999"), f"prompts[0].probability: {LONG}"),
    (
        "many-decimals",
        text("0.75", "0." + "7" * 401),
        "prompts[0].probability: 0." + "7" * 35 + '... is out of range; write it as "a/b"',
    ),
    ("long-integer", text("0.75", "1" + "0" * 5000), "an integer has too many digits; numbers have at most 400"),
    ("depth-with-point", text('"depth": 1,', '"depth": 1.0,'), "nodes[1].depth: expected `int`, got `float`"),
)
