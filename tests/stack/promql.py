"""What a PromQL expression asks for: metrics, the labels and values of its selectors, the labels it groups by."""

import re
from dataclasses import dataclass, field

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'')
_SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)?\s*\{([^}]*)\}")
_MATCHER = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\')')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_NAME = re.compile(r"(?<![\w:.$])([a-zA-Z_:][a-zA-Z0-9_:]*)\b(?!\s*\()")
_WORDS = {"by", "without", "on", "ignoring", "group_left", "group_right", "and", "or", "unless", "bool", "offset",
          "inf", "nan"}


@dataclass
class Asked:
    """`metrics` are names and, from `__name__=~`, expressions; `matchers` are (metric, label, operator, value)."""

    metrics: set = field(default_factory=set)
    matchers: list = field(default_factory=list)
    grouped: set = field(default_factory=set)


def asked(expression):
    found = Asked()

    def selector(match):
        name, inside = match[1], match[2]
        matchers = [(m[1], m[2], m[3][1:-1]) for m in _MATCHER.finditer(inside)]
        left = _MATCHER.sub("", inside).replace(",", "").strip()
        if left:
            raise ValueError(f"not a selector: {match[0]}")
        names = [value for label, _, value in matchers if label == "__name__"]
        name = name or (names[0] if names else None)
        if name is None:
            raise ValueError(f"a selector without a metric: {match[0]}")
        found.metrics.add(name)
        found.matchers += [(name, *m) for m in matchers if m[0] != "__name__"]
        return " 0 "

    rest = _SELECTOR.sub(selector, expression)
    for match in _GROUPING.finditer(rest):
        found.grouped |= {label.strip() for label in match[1].split(",") if label.strip()}
    rest = _STRING.sub(" 0 ", _GROUPING.sub(" ", rest))
    rest = re.sub(r"\[[^\]]*\]", " ", rest)
    found.metrics |= {name for name in _NAME.findall(rest) if name.lower() not in _WORDS}
    return found
