# SPDX-License-Identifier: GPL-2.0-or-later
"""A strict reader of the Prometheus text format 0.0.4: what it takes, every scraper takes."""

import math
import re

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
TYPES = {"counter", "gauge", "histogram", "summary", "untyped"}


class FormatError(Exception):
    """The text is not a valid exposition."""


class Family:
    def __init__(self, name):
        self.name = name
        self.type = None
        self.help = None
        self.samples = []  # (name, labels dict, value)


def _value(text, line):
    try:
        return float(text.replace("Inf", "inf").replace("NaN", "nan"))
    except ValueError:
        raise FormatError(f"not a number: {text!r} in {line!r}") from None


def _label_value(line, at):
    """Reads a quoted value that starts at the opening quote; returns (value, index after it)."""
    out = []
    at += 1
    while at < len(line):
        c = line[at]
        if c == '"':
            return "".join(out), at + 1
        if c == "\\":
            nxt = line[at + 1: at + 2]
            if nxt not in ('"', "\\", "n"):
                raise FormatError(f"unknown escape \\{nxt} in {line!r}")
            out.append("\n" if nxt == "n" else nxt)
            at += 2
            continue
        out.append(c)
        at += 1
    raise FormatError(f"label value without end: {line!r}")


def _labels(line, at):
    labels = {}
    while True:
        if line[at: at + 1] == "}":
            return labels, at + 1
        m = LABEL.match(line, at)
        if not m or line[m.end(): m.end() + 2] != '="':
            raise FormatError(f"bad label in {line!r}")
        if m.group() in labels:
            raise FormatError(f"label twice: {line!r}")
        labels[m.group()], at = _label_value(line, m.end() + 1)
        if line[at: at + 1] == ",":
            at += 1
        elif line[at: at + 1] != "}":
            raise FormatError(f"no end of labels in {line!r}")


def _sample(line):
    m = NAME.match(line)
    if not m:
        raise FormatError(f"no metric name: {line!r}")
    labels, at = {}, m.end()
    if line[at: at + 1] == "{":
        labels, at = _labels(line, at + 1)
    if line[at: at + 1] != " ":
        raise FormatError(f"no space before the value: {line!r}")
    rest = line[at + 1:]
    if " " in rest:
        raise FormatError(f"a timestamp or garbage after the value: {line!r}")
    return m.group(), labels, _value(rest, line)


def _family_of(name, families):
    if name in families:
        return families[name]
    for suffix in ("_bucket", "_sum", "_count"):
        base = name[: -len(suffix)]
        if name.endswith(suffix) and base in families and families[base].type == "histogram":
            return families[base]
    raise FormatError(f"sample without TYPE: {name}")


def _comment(line, families, closed):
    parts = line.split(" ", 3)
    if len(parts) < 4 or parts[1] not in ("HELP", "TYPE"):
        raise FormatError(f"a comment that is neither HELP nor TYPE: {line!r}")
    name, text = parts[2], parts[3]
    if name in closed:
        raise FormatError(f"family in two pieces: {name}")
    family = families.setdefault(name, Family(name))
    if family.samples:
        raise FormatError(f"{parts[1]} after samples: {name}")
    if parts[1] == "HELP":
        if family.help is not None:
            raise FormatError(f"HELP twice: {name}")
        family.help = text
    else:
        if family.type is not None or text not in TYPES:
            raise FormatError(f"bad TYPE: {line!r}")
        family.type = text
    return family


def _check_histogram(family):
    series = {}
    for name, labels, value in family.samples:
        key = tuple(sorted((k, v) for k, v in labels.items() if k != "le"))
        s = series.setdefault(key, {"bucket": [], "sum": None, "count": None})
        if name.endswith("_bucket"):
            s["bucket"].append((_value(labels["le"], name), value))
        else:
            s[name.rsplit("_", 1)[1]] = value
    for s in series.values():
        counts = [c for _, c in s["bucket"]]
        if s["bucket"] != sorted(s["bucket"]) or counts != sorted(counts):
            raise FormatError(f"buckets not ascending: {family.name}")
        if not s["bucket"] or not math.isinf(s["bucket"][-1][0]):
            raise FormatError(f"no +Inf bucket: {family.name}")
        if s["count"] != counts[-1] or s["sum"] is None:
            raise FormatError(f"count differs from +Inf: {family.name}")


def _check(family):
    if family.type is None or not family.help:
        raise FormatError(f"no TYPE or no HELP: {family.name}")
    seen = set()
    for name, labels, value in family.samples:
        key = (name, tuple(sorted(labels.items())))
        if key in seen:
            raise FormatError(f"series twice: {key}")
        seen.add(key)
        if family.type == "counter" and (value < 0 or math.isnan(value)):
            raise FormatError(f"a counter of {value}: {key}")
    if family.type == "histogram" and family.samples:
        _check_histogram(family)


def parse(data):
    """Bytes to {family name: Family}. Raises FormatError."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as e:
        raise FormatError(f"not UTF-8: {e}") from None
    if not text.endswith("\n"):
        raise FormatError("the last line has no end")
    families, closed, current = {}, set(), None
    for line in text[:-1].split("\n"):
        if any(ord(c) < 0x20 or ord(c) == 0x7F for c in line):
            raise FormatError(f"control character in {line!r}")
        if line.startswith("#"):
            family = _comment(line, families, closed)
        else:
            name, labels, value = _sample(line)
            family = _family_of(name, families)
            family.samples.append((name, labels, value))
        if current is not None and family is not current:
            closed.add(current.name)
        if family.name in closed:
            raise FormatError(f"family in two pieces: {family.name}")
        current = family
    for family in families.values():
        _check(family)
    return families


class Metrics:
    """A scrape, for looking up values."""

    def __init__(self, data):
        self.text = data
        self.families = parse(data)

    def series(self, name):
        base = name
        for suffix in ("_bucket", "_sum", "_count"):
            if name not in self.families and name.endswith(suffix):
                base = name[: -len(suffix)]
        family = self.families.get(base)
        return [(lab, v) for n, lab, v in family.samples if n == name] if family else []

    def get(self, name, **labels):
        """The value of the one series that has these labels; None if there is none."""
        hits = [v for lab, v in self.series(name)
                if all(lab.get(k) == v2 for k, v2 in labels.items())]
        if len(hits) > 1:
            raise AssertionError(f"{name}{labels}: {len(hits)} series")
        return hits[0] if hits else None

    def sum(self, name, **labels):
        return sum(v for lab, v in self.series(name)
                   if all(lab.get(k) == v2 for k, v2 in labels.items()))
