# SPDX-License-Identifier: BSD-2-Clause
"""What is exported, as those read it that it is for: callgrind_annotate, protoc, a JSON schema."""
import ast
import collections
import gzip
import json
import os
import re

from htap import ROOT, Skip, check, run, same


def bare(name):
    """Without the parameters, where a compiler's debug information leaves them out, too."""
    return re.sub(r"\(.*\)$", "", name)


class Annotated:
    """What callgrind_annotate makes of a file."""

    LINE = re.compile(r"\s*([\d,]+) \(\s*([\d.]+)%\)\s+([\d,]+) \(\s*[\d.]+%\)\s+(.*)")

    def __init__(self, path, *arguments, cwd="/"):
        done = run(["callgrind_annotate", "--threshold=100", "--auto=no", *arguments, path],
                   cwd=cwd)
        done.expect(0)
        check("malformed" not in done.stderr, f"not understood: {done}")
        self.text = done.stdout
        self.functions = collections.defaultdict(set)
        self.percents = []
        self.total = None
        for line in self.text.split("\n"):
            match = self.LINE.fullmatch(line)
            if not match:
                continue
            amount = tuple(int(match[i].replace(",", "")) for i in (1, 3))
            self.percents.append(float(match[2]))
            if match[4] == "PROGRAM TOTALS":
                self.total = amount
            else:
                # FILE:FUNCTION [OBJECT]
                name = re.fullmatch(r"(?:\?\?\?|[^:]*):(.*?)(?: \[[^]]*\])?", match[4])
                self.functions[bare(name[1])].add(amount)


def parse_text_format(lines):
    """What protoc prints, as {name: [value...]}; messages are such dictionaries."""
    message = collections.defaultdict(list)
    for line in lines:
        line = line.strip()
        if line == "}":
            break
        if line.endswith(" {"):
            message[line[:-2]].append(parse_text_format(lines))
        else:
            name, _, value = line.partition(": ")
            # Texts have the escapes of C, which are Python's, too.
            text = value.startswith('"')
            message[name].append(ast.literal_eval("b" + value).decode() if text
                                 else json.loads(value))
    return message


class Profile:
    """A pprof profile, read by protoc."""

    def __init__(self, data):
        folder = os.path.join(ROOT, "tests", "e2e")
        done = run(["protoc", f"-I{folder}", "--decode=Profile", "pprof.proto"],
                   data=gzip.decompress(data)).expect(0)
        check(not re.search(r"^\s*\d+[:{ ]", done.stdout, re.M), "fields nobody knows")
        self.message = parse_text_format(iter(done.stdout.splitlines()))
        self.strings = self.message["string_table"]
        self.types = [(self.text(t["type"]), self.text(t["unit"]))
                      for t in self.message["sample_type"]]
        self.locations = self.by_id("location")
        self.functions = self.by_id("function")
        self.mappings = self.by_id("mapping")
        self.samples = self.message["sample"]

    def by_id(self, name):
        table = {m["id"][0]: m for m in self.message[name]}
        same(len(table), len(self.message[name]), f"ids of {name}")
        check(0 not in table, f"a {name} has the id 0")
        return table

    def text(self, field):
        return self.strings[field[0] if field else 0]

    def comments(self):
        return [self.strings[i] for i in self.message["comment"]]

    def sum(self):
        return {t[0]: sum(s["value"][i] for s in self.samples) for i, t in enumerate(self.types)}

    def names(self, sample):
        """The functions of a sample's stack, innermost first."""
        return [bare(self.text(self.functions[line["function_id"][0]]["name"]))
                for location in sample["location_id"]
                for line in self.locations[location]["line"]]

    def inclusive(self, name, value):
        column = [t[0] for t in self.types].index(value)
        return sum(s["value"][column] for s in self.samples if name in self.names(s))

    def labels(self, sample):
        return {self.text(l["key"]): l["num"][0] if l["num"] else self.text(l["str"])
                for l in sample["label"]}


def strict(schema):
    """The schema without room for members it does not describe."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(part) for key, part in schema.items()}
    if "properties" in schema:
        schema["unevaluatedProperties"] = False
    return schema


def validate(data):
    try:
        import jsonschema
        validator = jsonschema.Draft202012Validator
    except (ImportError, AttributeError):
        raise Skip("python3-jsonschema is missing, or older than draft 2020-12") from None
    with open(os.path.join(ROOT, "docs", "export.schema.json")) as file:
        schema = json.load(file)
    validator.check_schema(schema)
    validator(schema).validate(data)
    # Nor may there be what it does not describe. An entry takes in what "costs" describes.
    closed = strict(schema)
    del closed["$defs"]["costs"]["unevaluatedProperties"]
    validator(closed).validate(data)
