"""Manifests that nobody writes: of models to download, of an archive, of a volume; and files of model folders."""

from collections.abc import Callable

_SHA256 = "a" * 64


def _bomb(merge: str) -> str:
    """Each level has the one before it nine times."""
    levels = [f"l{n}: &l{n} {merge.replace('X', ', '.join([f'*l{n - 1}'] * 9))}" for n in range(1, 12)]
    return "\n".join(["l0: &l0 {x: 1}", *levels, "models: *l11"])


def _of_archive(name: str = '"a.pt"', size: str = "1", sha256: str = f'"{_SHA256}"', version: str = "1") -> str:
    return f'{{"version": {version}, "files": {{{name}: {{"size": {size}, "sha256": {sha256}}}}}}}'


def _of_model(source: str = "https://127.0.0.1:9/c.pt", filename: str = "a.pt", more: str = "") -> str:
    return f'[{{"source": "{source}", "folder": "vae", "filename": "{filename}"{more}}}]'


TEXTS: dict[str, str] = {
    "empty": "",
    "blank": " \n\t",
    "neither JSON nor YAML": "{]: 'x",
    "a list": "[1, 2]",
    "a number": "5",
    "a text": '"models"',
    "null in it": '{"models": [null], "files": null, "version": 1}',
    "a list for files": '{"version": 1, "files": [], "models": {}}',
    "numbers for entries": '{"version": 1, "files": {"a.pt": 5}, "models": [5]}',
    "lists for entries": '{"version": 1, "files": {"a.pt": []}, "models": [[]]}',
    "numbers as names": '{"version": 1, "files": {"5": {"size": 1}}, "models": [{"source": 5, "folder": 6}]}',
    "another version": _of_archive(version="2"),
    "a list as version": _of_archive(version="[1]"),
    "a huge integer": _of_archive(size="9" * 5000),
    "a large integer": _of_archive(size=str(2**63)),
    "a negative size": _of_archive(size="-1"),
    "a fraction as size": _of_archive(size="1.0"),
    "a text as size": _of_archive(size='"1"'),
    "true as size": _of_archive(size="true"),
    "NaN as size": _of_archive(size="NaN"),
    "infinity as size": _of_archive(size="Infinity"),
    "a number too large for a float": _of_archive(size="1e999"),
    "a short SHA-256": _of_archive(sha256='"abc"'),
    "a number as SHA-256": _of_archive(sha256="5"),
    "null as SHA-256": _of_archive(sha256="null"),
    "an upper-case SHA-256": _of_archive(sha256=f'"{"A" * 64}"'),
    "a name twice": f'{{"version": 1, "files": {{"a.pt": {{"size": 1, "sha256": "{_SHA256}"}}, "a.pt": {{"size": 1, '
                    f'"sha256": "{_SHA256}"}}}}, "models": [], "models": [5]}}',
    "an absolute name": _of_archive('"/etc/passwd"'),
    "a name that climbs": _of_archive('"../a.pt"'),
    "a name with a control character": _of_archive('"a\\u001b[2J.pt"'),
    "a name of half a character": _of_archive('"\\ud800.pt"'),
    "an empty name": _of_archive('""'),
    "a name that is too long": _of_archive(f'"{"n" * 5000}"'),
    "nested 100,000 levels": "[" * 100_000 + "]" * 100_000,
    "objects nested 100,000 levels": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "nested 1,000 levels": '{"version": 1, "files": ' + "[" * 1000 + "]" * 1000 + "}",
    "aliases of aliases": _bomb("[X]"),
    "merges of merges": _bomb("{<<: [X]}"),
    "an alias of itself": "models: &a [*a]",
    "a merge of itself": "models: &a {<<: *a}",
    "a tag of Python": "models: !!python/object/apply:os.system [id]",
    "a tag of nobody": "models: !nobody x",
    "a date that is none": "models: [{source: 2001-99-99, folder: loras}]",
    "an integer that is none": "models: !!int x",
    "a float that is none": "models: !!float x",
    "a timestamp that is none": "models: !!timestamp x",
    "binary that is none": "models: !!binary '*'",
    "a list as key": "? [a, b]\n: 1",
    "an object as key": "? {a: b}\n: 1",
    "sixty to the power of many": "models: " + ":".join(["59"] * 300),
    "two documents": "models: []\n---\nmodels: []",
    "a control character": "models: \x1b[2J",
    "a folder that is none": '[{"source": "https://127.0.0.1:9/a.pt", "folder": "../x"}]',
    "an unknown field with lines": _of_model(more=', "x\\n\\u001b[2J": 1'),
    "a source of nobody": _of_model("gopher://x/a.pt"),
    "an address that is none": _of_model("https://[::1"),
    "a source that is too long": _of_model(f"https://127.0.0.1:9/{'x' * 9000}"),
    "a model with too long a name": _of_model(filename="n" * 300),
    "a model whose path is too long": _of_model(filename="n/" * 2000 + "x"),
    "a model with a huge size": _of_model(more=f', "size": {"9" * 400}'),
    "too many models": "[" + ", ".join(['{"source": "https://127.0.0.1:9/c.pt", "folder": "vae"}'] * 10_001) + "]",
    "too much text": '{"version": 1, "files": {}, "x": "' + "x" * (33 * 1024 * 1024) + '"}',
    "a home of nobody": "x: {base_path: ~nobody-of-this-name/, loras: a}",
    "a folder with NUL": 'x: {base_path: "/a\\0b", loras: "c\\0d"}',
    "numbers as kinds": "x: {5: folder, 6.5: folder, null: folder, [1]: folder}",
}  # fmt: skip
_BYTES: dict[str, Callable[[], bytes]] = {
    "UTF-16": lambda: "[5]".encode("utf-16"),
    "UTF-16 without a mark": lambda: "[5]".encode("utf-16-le"),
    "UTF-32": lambda: "[5]".encode("utf-32"),
    "not UTF-8": lambda: b"\xff\xfe\xfd",
    "binary": lambda: bytes(range(256)) * 40,
    "zeros": lambda: bytes(10_000),
    "a zip in it": lambda: b"PK\x05\x06" + bytes(18),
}
MANIFESTS: dict[str, bytes] = {
    **{name: text.encode() for name, text in TEXTS.items()},
    **{name: content() for name, content in _BYTES.items()},
}
