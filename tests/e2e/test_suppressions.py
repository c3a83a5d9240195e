#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Which stacks are wanted: suppressions against the programs they were written for, which have the
same leaks and the same files; and regular expressions."""
import os
import re

from htap import build, check, has, heaptap, leaks, main, run, same, temp, test

FLAGS = ("-fno-builtin", "-fno-inline-functions-called-once")
# Without what the C++ library keeps for itself.
MINE = ("--function", "^main$")
# What rules.cc leaks, by what finds it.
ALPHA, BETA, GAMMA, SHELF, MAIN = (300, 3), (132, 4), (65, 5), (300, 6), (1000, 1)
ALL = [ALPHA, BETA, GAMMA, SHELF, MAIN]


def program():
    return build("rules", *FLAGS)


def written(text):
    path = temp(".supp")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def by_heaptap(path):
    """{rule: (bytes, blocks)} as heaptap says."""
    text = heaptap("leaks", *MINE, "--suppressions", path, "--", program()).expect(0).stdout
    return {m[3]: (int(m[1]), int(m[2])) for m in re.finditer(
        r"(?m)^Suppressed: (\d+) bytes in (\d+) blocks? by rule (.*)\.$", text)}


def by_sanitizer(path):
    """Likewise, as LeakSanitizer says."""
    target = build("rules", *FLAGS, "-fsanitize=leak", target="rules-lsan")
    env = dict(os.environ, LSAN_OPTIONS=f"suppressions={path}:print_suppressions=1:"
                                        "fast_unwind_on_malloc=0")
    text = run([target], env=env).stderr
    has(text, "LeakSanitizer: detected memory leaks|Suppressions used", "LeakSanitizer's report")
    return {m[3]: (int(m[2]), int(m[1])) for m in re.finditer(
        r"(?m)^ +(\d+) +(\d+) (\S.*)$", text.partition("Suppressions used:")[2])}


def by_valgrind(path):
    """Likewise, as valgrind says."""
    text = run(["valgrind", "-v", "--leak-check=full", "--show-leak-kinds=all",
                f"--suppressions={path}", program()]).expect(0).stderr
    return {m[1]: (int(m[2].replace(",", "")), int(m[3].replace(",", ""))) for m in re.finditer(
        r"used_suppression: +\d+ (.*?) \S+:\d+ suppressed: ([\d,]+) bytes in ([\d,]+) blocks",
        text)}


SANITIZER_RULES = """# a comment
leak:alpha
  leak:^gamma_o*r$
leak:Shelf::st*(int
leak:nothing of that name
leak:eta_lea$
race:beta
"""


@test("LeakSanitizer's rules leave out what LeakSanitizer leaves out")
def _():
    path = written(SANITIZER_RULES.replace("race:beta\n", ""))
    want = {"alpha": ALPHA, "^gamma_o*r$": GAMMA, "Shelf::st*(int": SHELF}
    # Its function names have no parameters or have them: by version. Ours have them.
    got = by_sanitizer(path)
    same(got.get("alpha"), want["alpha"], f"LeakSanitizer, of {got}")
    # gcc names functions with their parameters there, so that $ matches no C++ function.
    ours = by_heaptap(path)
    for rule, amount in got.items():
        same(ours.get(rule), amount, f"rule {rule}: LeakSanitizer {got}, heaptap {ours}")
    same(ours, got, "all rules")


@test("LeakSanitizer's rules by file and by module")
def _():
    for rule, want in {"rules.cc": (1797, 19), "/rules*.cc$": (1797, 19),
                       "strdup": GAMMA, "malloc": (1365, 9)}.items():
        path = written(f"leak:{rule}\n")
        ours, theirs = by_heaptap(path), by_sanitizer(path)
        same(ours, theirs, f"rule {rule}")
        if rule != "malloc":
            same(ours, {rule: want}, f"rule {rule}")


VALGRIND_RULES = """
# by the allocator's own name and the caller's
{
   rule one
   Memcheck:Leak
   match-leak-kinds: all
   fun:malloc
   fun:*alpha_*
}
{
   of another kind
   Memcheck:Cond
   fun:main
}
{
   rule two
   Memcheck:Leak
   fun:calloc
   src:rules.cc:22
}
{
   inlined
   Memcheck:Leak
   ...
   fun:gamma_inlined
   fun:_ZL11gamma_oute?i
}
{
   mangled
   Memcheck:Leak
   fun:_Znwm
   fun:_ZN4shop5Shelf5stockEid
   ...
   obj:*/rules
}
"""


@test("valgrind's rules leave out what valgrind leaves out")
def _():
    path = written(VALGRIND_RULES)
    want = {"rule one": ALPHA, "rule two": BETA, "inlined": GAMMA, "mangled": SHELF}
    same(by_valgrind(path), want, "valgrind")
    same(by_heaptap(path), want, "heaptap")


def rule(*lines):
    return "{\n   x\n   Memcheck:Leak\n" + "".join(f"   {l}\n" for l in lines) + "}\n"


@test("valgrind's rules one by one")
def _():
    for lines in (["fun:malloc"], ["fun:main"], ["...", "fun:main"], ["fun:malloc", "fun:main"],
                  ["fun:*alloc", "fun:*leak*"], ["obj:*/rules"], ["fun:malloc", "obj:*/rules"],
                  ["fun:_ZN4shop*"], ["fun:_Znw*", "fun:_ZN4shop*"], ["...", "fun:_ZN4shopL4fillEPc"],
                  ["fun:*", "fun:*", "fun:*", "fun:main"], ["fun:malloc", "...", "fun:strdup", "...", "fun:main"],
                  ["fun:malloc", "src:rules.cc:*"], ["fun:calloc", "src:rules.cc:21"]):
        path = written(rule(*lines))
        same(by_heaptap(path), by_valgrind(path), f"rule {lines}")


@test("what is suppressed is told apart, and does not make an exit code")
def _():
    path, other = written("leak:rules.cc\n"), written(rule("fun:malloc"))
    report = leaks(*MINE, "--suppressions", path, "--", program())
    same(report.leaks, [], "leaks")
    same(report.json["suppressed"], {"bytes": 1797, "blocks": 19, "rules": [
        {"rule": "rules.cc", "bytes": 1797, "blocks": 19}]}, "suppressed")
    heaptap("leaks", *MINE, "--error-exitcode", 9, "--suppressions", path, "--", program()).expect(0)
    heaptap("leaks", *MINE, "--error-exitcode", 9, "--suppressions", other, "--", program()).expect(9)
    both = heaptap("leaks", *MINE, "--suppressions", other, "--suppressions", path, "--depth", 1, "--",
                   program()).expect(0).stdout
    has(both, r"Suppressed: 1365 bytes in 9 blocks by rule x\.")
    has(both, r"Suppressed: 432 bytes in 10 blocks by rule rules\.cc\.")


@test("regular expressions: some frame of each kind, none with a !")
def _():
    recording = temp(".htap")
    heaptap("record", "-o", recording, "--", program()).expect(0)
    for options, want in (
            (["--function", "alpha"], [ALPHA]),
            (["--function", "^alpha", "--function", "Shelf::"], [ALPHA, SHELF]),
            (["--function", "!leak|Shelf|_init"], [GAMMA, MAIN]),
            (["--function", "!alpha", "--function", "_leak"], [BETA]),
            (["--file", "^rules\\.cc$"], ALL),
            (["--file", "/tests/workloads/rules", "--function", "gamma_(inlined|x)"], [GAMMA]),
            (["--module", "libc\\.so", "--function", "^main$"], ALL),
            (["--module", "^rules$", "--module", "nothing"], ALL),
            (["--module", "!/rules$", *MINE], []),
            (["--function", "alpha", "--file", "strdup"], [])):
        got = leaks(*options, recording).leaks
        same(sorted((l["bytes"], l["blocks"]) for l in got), sorted(want), f"{options}")
    folded = heaptap("export", "-f", "folded", "--function", "Shelf", recording).expect(0).stdout
    check(len(folded.splitlines()) == 1 and folded.endswith(" 300\n"), folded)


@test("what cannot be understood is said, with its place")
def _():
    recording = temp(".htap")
    heaptap("record", "-o", recording, "--", program()).expect(0)
    for options, status, words in (
            (["--function", "("], 2, "--function takes a POSIX extended regular expression; '\\('"),
            (["--module", "((a{99}){99}){99}"], 2, "repeats too much"),
            (["--file", "a" * 1001], 2, "longer than 1000"),
            (["--file", "!"], 2, "is empty"),
            (["--suppressions", "/nowhere/x"], 1, "/nowhere/x cannot be read: No such file"),
            (["--suppressions", written("leak:a\nmalloc\n")], 1, "Line 2 of .* neither leak:"),
            (["--suppressions", written("{\n x\n Memcheck:Leak\n fun:f\n")], 1, "Line 4.*no }"),
            (["--suppressions", written("{\n x\n Memcheck:Leak\n f\n}\n")], 1, "Line 4.*none of"),
            (["--suppressions", written("{\n x\n Memcheck:Leak\n}\n")], 1, "Line 4.*match everything"),
            (["--suppressions", written("leak:\n")], 1, "Line 1.*no pattern")):
        done = heaptap("leaks", *options, recording).expect(status)
        has(done.stderr, words, "message")
        same(done.stdout, "", "output")


if __name__ == "__main__":
    main()
