"""Random patterns, each in two spellings that mean the same."""

from dataclasses import dataclass
from random import Random
from typing import Any

from hypothesis import strategies as st

_PATHS = [
    "ipv4-addr:value",
    "domain-name:value",
    "url:value",
    "file:name",
    "file:size",
    "file:hashes.MD5",
    "x-thing:a.'b c'[*].d[0]",
    "llm-api-activity:features.account_synchrony",
    "email-message:to_refs[*].value",
]
_VALUES: dict[str, list[list[str]]] = {
    "ipv4-addr:value": [["'10.0.0.1'", "'10[.]0[.]0.1'", "'10.0.0.1/32'"], ["'10.0.0.0/8'", "'10.9.9.9/8'"]],
    "domain-name:value": [["'a.example'", "'A.Example.'", "'a[.]example'"], ["'b.example'"], ["'c.example'"]],
    "url:value": [["'http://a.example/'", "'hxxp://A[.]example:80#x'"], ["'https://a.example/%7Eb?x=1'"]],
    "file:name": [["'x'"], ["'it\\'s'"], ["'a\\\\b'"], ["'OR'"], ["'] OR ['"]],
    "file:size": [["5", "+5", "5.0"], ["0.5", ".50"], ["-0", "0", "+0.00"], ["true"]],
    "file:hashes.MD5": [["'" + "ab" * 16 + "'", "'" + "AB" * 16 + "'"]],
    "x-thing:a.'b c'[*].d[0]": [
        ["h'0AFF'", "b'Cv8='"],
        ["t'2026-01-01T00:00:00Z'", "t'2026-01-01T00:00:00.000Z'"],
    ],
    "llm-api-activity:features.account_synchrony": [["0.9", "0.90"], ["1", "1.0"]],
    "email-message:to_refs[*].value": [["'bob@a.example'", "'Bob[@]A.example'"]],
}


@dataclass(frozen=True)
class Tree:
    kind: str
    children: tuple[Any, ...]


_leaf = (
    st.sampled_from(_PATHS)
    .flatmap(
        lambda path: st.tuples(
            st.just(path),
            st.sampled_from(["=", "!=", "IN", "NOT IN", "EXISTS", "NOT EXISTS"]),
            st.lists(st.integers(0, len(_VALUES[path]) - 1), min_size=1, max_size=3),
        )
    )
    .map(lambda parts: Tree("leaf", parts))
)
_test = st.recursive(
    _leaf,
    lambda inner: st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3)).map(
        lambda parts: Tree(parts[0], tuple(parts[1]))
    ),
    max_leaves=5,
)
_qualifiers = st.lists(
    st.sampled_from(
        [
            "REPEATS 1 TIMES",
            "REPEATS 2 TIMES",
            "WITHIN 5 SECONDS",
            "START t'2026-01-01T00:00:00Z'\nSTOP t'2026-02-01T00:00:00.0Z'",
        ]
    ),
    min_size=1,
    max_size=3,
)
_observation = _test.map(lambda test: Tree("observation", (test,)))
patterns = st.recursive(
    _observation,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["AND", "OR", "FOLLOWEDBY"]), st.lists(inner, min_size=2, max_size=3)).map(
            lambda parts: Tree(parts[0], tuple(parts[1]))
        ),
        st.tuples(inner, _qualifiers).map(lambda parts: Tree("qualified", parts)),
    ),
    max_leaves=4,
)


def spell(tree: Tree, random: Random, *, plain: bool = False) -> str:
    """One spelling of the tree; `plain` for the spelling without variations."""

    def space() -> str:
        return " " if plain else random.choice([" ", "  ", "\n", "\t", " /* c ( */ ", " // x\n"])

    def shuffled(items: list[str]) -> list[str]:
        return items if plain else random.sample(items, len(items))

    def walk(node: Tree) -> str:
        if node.kind == "leaf":
            path, operator, numbers = node.children
            if "EXISTS" in operator:
                return f"{operator}{space()}{path}"
            values = shuffled(
                [_VALUES[path][n][0] if plain else random.choice(_VALUES[path][n]) for n in numbers]
            )
            if operator in ("=", "!="):
                signs = {"=": ["=", "=="], "!=": ["!=", "<>"]}[operator]
                if "[*]" not in path:
                    # There NOT says something else: that no item is so.
                    signs += {"=": ["NOT !=", "NOT <>"], "!=": ["NOT ="]}[operator]
                spellings = _VALUES[path][numbers[0]]
                if plain:
                    return f"{path} {operator} {spellings[0]}"
                return f"{path}{space()}{random.choice(signs)}{space()}{random.choice(spellings)}"
            return f"{path} {operator}{space()}({','.join(values)})"
        if node.kind in ("and", "or"):
            texts = [walk(child) for child in node.children]
            if not plain and random.random() < 0.3:
                texts.append(texts[0])
            return "(" + f"{space()}{node.kind.upper()}{space()}".join(shuffled(texts)) + ")"
        if node.kind == "observation":
            return f"[{walk(node.children[0])}]"
        if node.kind == "qualified":
            expression, qualifiers = node.children
            return f"({walk(expression)}){space()}{space().join(qualifiers)}"
        texts = [walk(child) for child in node.children]
        if node.kind != "FOLLOWEDBY":
            texts = shuffled(texts)
        return "(" + f"{space()}{node.kind}{space()}".join(texts) + ")"

    return walk(tree)
