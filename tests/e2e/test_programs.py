#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Programs that nobody here wrote. Each is run three times over: under heaptap with the counter
inside, which must agree on every number; under valgrind; and under heaptap alone, whose totals and
bytes live at exit must be valgrind's."""
import functools
import json
import os
import re
import shutil

from htap import Counter, Skip, check, equal_counts, leaks, main, note, run, same, scratch, test

VALGRIND = ["valgrind", "--run-libc-freeres=no", "--run-cxx-freeres=no"]

# Environments are copied into heaps, so every run of a program gets the same small one.
BASE = {
    "PATH": "/usr/bin:/bin",
    "HOME": "/nonexistent",
    "PYTHONMALLOC": "malloc",
    "PYTHONHASHSEED": "0",
    "PERL_HASH_SEED": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "ASAN_OPTIONS": "verify_asan_link_order=0",
}

SQL = """create table t(id integer primary key, name text, value real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)
insert into t select i, 'name ' || i, i * 1.5 from n;
create index by_name on t(name);
select count(*), sum(value), max(name) from t where name like 'name 1%';
"""

PYTHON = """
import collections, json, re, sqlite3
table = {str(i): [i, {"square": i * i}] for i in range(2000)}
assert json.loads(json.dumps(table)) == table
words = collections.Counter(re.findall(r"[a-z]+", "the quick brown fox " * 500))
db = sqlite3.connect(":memory:")
db.execute("create table t(a, b)")
db.executemany("insert into t values(?, ?)", words.items())
print(len(table), db.execute("select sum(b) from t").fetchone())
"""

PERL = r"""
my (%seen, @lines);
for my $i (1 .. 3000) {
    my $line = "user$i: " . ($i * 7919 % 1009);
    push @lines, $line;
    $seen{$2}{$1} = 1 if $line =~ /^(\w+): (\d+)$/;
}
my @sorted = sort { keys %{$seen{$b}} <=> keys %{$seen{$a}} || $a <=> $b } keys %seen;
print join(",", @sorted[0 .. 4]), " ", scalar(@lines), "\n";
"""


def tool(name):
    """The path of an installed program."""
    path = shutil.which(name, path=BASE["PATH"])
    if not path:
        raise Skip(f"{name} is not installed")
    return path


def file(name, text):
    """A file with this text, alone in its directory: python lists the one of its program."""
    path = os.path.join(scratch(), name + ".d", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as stream:
        stream.write(text)
    return path


def sqlite():
    return [tool("sqlite3"), ":memory:", SQL]


def python():
    return [tool("python3"), "-B", file("program.py", PYTHON)]


def perl():
    return [tool("perl"), file("program.pl", PERL)]


def xmllint():
    rows = "".join(f'<row id="{i}"><name>n{i}</name><v>{i * i}</v></row>\n' for i in range(1500))
    return [tool("xmllint"), "--format", file("data.xml", f"<?xml version='1.0'?>\n<t>{rows}</t>\n")]


def jq():
    rows = [{"id": i, "kind": f"k{i % 17}", "tags": ["a", "b", str(i)]} for i in range(1500)]
    return [tool("jq"), "map(select(.id % 3 == 0)) | group_by(.kind) | map({k: .[0].kind, n: length})",
            file("data.json", json.dumps(rows))]


def git():
    repository = os.path.join(scratch(), "repository")
    if not os.path.exists(repository):
        os.mkdir(repository)
        run(["sh", "-e", "-c", """
            git init -q
            git config gc.auto 0
            git config user.name somebody
            git config user.email somebody@example.org
            for i in $(seq 25); do
                seq $i $((i * 20)) >file$((i % 5))
                git add .
                GIT_AUTHOR_DATE="$((1700000000 + i)) +0000" \
                GIT_COMMITTER_DATE="$((1700000000 + i)) +0000" git commit -q -m "change $i"
            done"""], cwd=repository, env=BASE).expect(0)
    return [tool("git"), "-C", repository, "--no-pager", "log", "--stat"]


# python makes integers of addresses (id()), for a moment. Under valgrind the heap lies below 2^30,
# where an integer takes 28 bytes; elsewhere it takes 32.
DIFFERS = {"python": ("allocated_bytes",)}

PROGRAMS = (sqlite, python, xmllint, jq, perl, git)


@functools.cache
def client_environment():
    """
    What valgrind makes of BASE for its client: some variables for the C++ library, and its own
    libraries in LD_PRELOAD. Outside valgrind these do nothing, so the other runs get the very same
    environment, preloaded libraries included. (The dynamic loader's own allocations for them are
    made before it uses the C library's malloc; nobody counts those.)
    """
    done = run([*VALGRIND, "-q", "env", "-0"], env=BASE).expect(0)
    return dict(word.split("=", 1) for word in done.stdout.split("\0") if word)


def by_valgrind(argv, env):
    """valgrind's totals under heaptap's names, and what the program printed."""
    done = run([*VALGRIND, *argv], env=env, timeout=600).expect(0)
    numbers = [int(word.replace(",", "")) for word in re.findall(
        r"(?:in use at exit|total heap usage): ([\d,]+) \w+(?: in|,) ([\d,]+) \w+"
        r"(?:, ([\d,]+) bytes)?", done.stderr) for word in word if word]
    check(len(numbers) == 5, f"cannot read valgrind's summary: {done}")
    return dict(zip(("leaked_bytes", "leaked_blocks", "allocations", "frees", "allocated_bytes"),
                    numbers)), done.stdout


def counted_natively(argv):
    """What the counter says in the environment of valgrind's client, without heaptap."""
    counter = Counter(argv[0])
    env = counter.environment(client_environment())
    run(argv, env=env).expect(0)
    return counter.read()


def against_counter(argv):
    counter = Counter(argv[0])
    report = leaks("--", *argv, env=counter.environment(BASE))
    check(report.summary["allocations"] > 50, f"hardly anything: {report.summary}")
    equal_counts(report, counter)


def against_valgrind(argv, except_for):
    want, stdout = by_valgrind(argv, BASE)
    for key in except_for:
        del want[key]
    report = leaks("--", *argv, env=client_environment())
    same(report.done.stdout, stdout, "what the program printed")
    same(report.summary["lost_events"], 0, "lost events")
    got = {key: report.summary[key] for key in want}
    if got != want:
        note(f"the counter, natively: {counted_natively(argv)}")
    same(got, want, "heaptap against valgrind")


def add(program):
    name = program.__name__

    @test(f"{name}: every number equals the counter's")
    def _():
        against_counter(program())

    @test(f"{name}: live at exit equals valgrind's in use at exit")
    def _():
        tool(VALGRIND[0])
        against_valgrind(program(), DIFFERS.get(name, ()))


for each in PROGRAMS:
    add(each)

if __name__ == "__main__":
    main()
