"""A reader of Prometheus' text format."""

import re

_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")


class Page:
    """A `/metrics` page: the type and help of each family, and its samples."""

    def __init__(self, text):
        self.types = {}
        self.help = {}
        # name to a list of (labels, value)
        self.samples = {}
        # A label may hold what Python also takes for the end of a line.
        for line in text.split("\n"):
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ", 3)
                self.types[name] = kind
            elif line.startswith("# HELP "):
                _, _, name, *words = line.split(" ", 3)
                self.help[name] = words[0] if words else ""
            elif line and not line.startswith("#"):
                name, labels, value = _sample(line)
                self.samples.setdefault(name, []).append((labels, value))

    def select(self, name, /, **wanted):
        """The samples of `name` that bear these labels."""
        return [(labels, value) for labels, value in self.samples.get(name, [])
                if all(labels.get(k) == v for k, v in wanted.items())]

    def sum(self, name, /, **wanted):
        """The sum over the samples that bear these labels; none is an error, never 0."""
        found = self.select(name, **wanted)
        if not found:
            raise LookupError(f"{name} {wanted or ''} is not on the page")
        return sum(value for _, value in found)

    def values(self, name, label):
        """The values of a label."""
        return sorted({labels[label] for labels, _ in self.samples.get(name, []) if label in labels})


def _sample(line):
    if "{" not in line:
        name, value, *_ = line.split()
        return name, {}, float(value)
    name, rest = line.split("{", 1)
    end = 0
    labels = {}
    while match := _LABEL.match(rest, end):
        labels[match[1]] = _ESCAPE.sub(lambda m: "\n" if m[1] == "n" else m[1], match[2])
        end = match.end()
        if rest[end:end + 1] == ",":
            end += 1
    if rest[end:end + 1] != "}":
        raise ValueError(f"not a sample: {line}")
    return name, labels, float(rest[end + 1:].split()[0])
