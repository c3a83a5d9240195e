#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Stacks of programs as distributions build them: -O2 and no frame pointers. Every distinct one is
compared with libdwfl's walk of the same moment. The figures come out as diagnostics."""
import contextlib
import json
import os
import re
import shlex
import shutil
import socket
import subprocess

from htap import (HEAPTAP, WORKLOADS, Skip, attached, check, finish, interrupt, main, note, run,
                  same, scratch, started, temp, test, wait_for)
from walks import MISSING, PATH, STATS, figures, none_wrong, tool

ENV = {
    "PATH": PATH,
    "HOME": "/nonexistent",
    "PYTHONMALLOC": "malloc",
    "PYTHONHASHSEED": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "ASAN_OPTIONS": "verify_asan_link_order=0",
}
# A comparison takes long, and room: without --lossless, many would be lost.
CHECKING = ["--stats", "--check-stacks", "--lossless"]
RIGHT = 0.995

# The outermost frames of main's thread and of others; the very last, _start, may have no name.
OUTERMOST = re.compile(r"_start|__libc_start_main(_impl)?|__libc_start_call_main|_*clone3?")

SQL = """create table t(id integer primary key, name text, value real);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000)
insert into t select i, 'name ' || i, i * 1.5 from n;
create index by_name on t(name);
create view v as select name, sum(value) over (order by id) as total from t;
select count(*), sum(value), max(name) from t where name like 'name 1%';
select group_concat(distinct substr(name, 1, 6)), json_group_array(value) from t group by id % 7;
select max(total), json_extract('{"a": [1, 2, {"b": 3}]}', '$.a[2].b') from v order by 1;
update t set name = upper(name) where id in (select id from t order by value limit 100);
delete from t where id % 2; vacuum;
"""

PYTHON = """
import collections, json, re, sys
sys.stdin.readline()
table = {str(i): [i, {"square": i * i}] for i in range(300)}
assert json.loads(json.dumps(table)) == table
words = collections.Counter(re.findall(r"[a-z]+", "the quick brown fox " * 50))
squares = sorted((lambda i: i * i)(i) for i in range(100))
class Node:
    def __init__(self, depth):
        self.parts = [Node(depth - 1) for _ in range(2)] if depth else []
tree = Node(6)
exec(compile("def f(x):\\n  return [y ** x for y in range(9)]\\nf(100)", "text", "exec"))
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

CPLUSPLUS = """
#include <vector>
struct item { int key; std::vector<int> values; };
int main()
{
    std::vector<item> items{ { 1, { 2, 3 } }, { 4, {} } };
    int sum = 0;
    for (const item &item : items)
        for (int value : item.values)
            sum += value + item.key;
    return sum;
}
"""

NODE = """
const items = [];
for (let i = 0; i < 1000; i++) items.push({ id: i, name: 'item ' + i });
console.log(JSON.parse(JSON.stringify(items)).map(item => item.name.toUpperCase()).length);
"""


def file(name, text):
    """A file in a directory of its own."""
    path = os.path.join(scratch(), name + ".d", name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as stream:
        stream.write(text)
    return path


# ---- the comparison -------------------------------------------------------------------------


def judge(name, stderr, at_least):
    """Fails when a stack is wrong, or too many are short."""
    found = none_wrong(name, stderr)
    checked = found["checked"]
    check(checked >= at_least, f"hardly any stacks: {found}")
    check(found["equal"] + found["agreeing"] >= RIGHT * checked, f"too many are cut: {found}")
    # Where the tables know nothing libdwfl knows nothing, and agrees. One such stack is common: the
    # C++ library's constructors are called by ld.so's _start, which tells nobody of its frame.
    # V8 compiled much of some builds of node without unwind information, and without symbols.
    ended = figures(STATS, stderr)
    note(f"{name}: {ended}")
    check(name == "node" or
          ended["gap"] + ended["lost"] <= 1 + (1 - RIGHT) * checked,
          f"too many end early: {ended}")


def command(*argv):
    return [HEAPTAP, "leaks", *CHECKING, "-o", temp(".txt"), "--", *argv]


# ---- launched -------------------------------------------------------------------------------


def sqlite():
    return [tool("sqlite3"), ":memory:", SQL]


def python():
    return [tool("python3"), "-B", file("program.py", PYTHON)]


def perl():
    return [tool("perl"), file("program.pl", PERL)]


def xmllint():
    rows = "".join(f'<row id="{i}"><name>n{i}</name></row>\n' for i in range(500))
    data = file("data.xml", f"<?xml version='1.0'?>\n<t>{rows}</t>\n")
    return [tool("xmllint"), "--xpath", "count(//row[starts-with(name, 'n1')])", data]


def jq():
    rows = [{"id": i, "kind": f"k{i % 17}", "tags": ["a", "b", str(i)]} for i in range(500)]
    query = "map(select(.id % 3 == 0)) | group_by(.kind) | map({k: .[0].kind, n: length})"
    return [tool("jq"), query, file("data.json", json.dumps(rows))]


def git():
    repository = temp(".git")
    os.mkdir(repository)
    run(["sh", "-e", "-c", """
        git init -q
        git config gc.auto 0
        git config user.name somebody
        git config user.email somebody@example.org
        for i in $(seq 25); do
            seq $i $((i * 20)) >file$((i % 5))
            git add .
            git commit -q -m "change $i"
        done"""], cwd=repository, env=ENV).expect(0)
    return [tool("git"), "-C", repository, "--no-pager", "log", "--stat"]


def cc1plus():
    source = file("source.cc", CPLUSPLUS)
    done = run([tool("g++"), "-###", "-O1", "-S", source, "-o", "/dev/null"], env=ENV).expect(0)
    lines = [line for line in done.stderr.splitlines() if "/cc1plus" in line]
    check(lines, f"g++ would run no cc1plus: {done}")
    return shlex.split(lines[0])


def node():
    return [tool("node"), "--single-threaded", file("program.js", NODE)]


def rust():
    if not shutil.which("rustc"):
        raise Skip("rustc is not installed")
    program = temp(".rust")
    run(["rustc", "-O", "-o", program, os.path.join(WORKLOADS, "unwind_rust.rs")]).expect(0)
    return [program]


def add_launched(program, at_least):
    name = program.__name__

    @test(f"{name}, launched: its stacks are libdwfl's")
    def _():
        done = run(command(*program()), data=b"\n", env=ENV).expect(0)
        judge(name, done.stderr, at_least)


add_launched(sqlite, 300)
add_launched(python, 2000)
add_launched(git, 200)
add_launched(cc1plus, 5000)
add_launched(perl, 200)
add_launched(xmllint, 50)
add_launched(jq, 300)
add_launched(node, 2000)
add_launched(rust, 30)


# ---- attached -------------------------------------------------------------------------------


@test("python, attached: its stacks are libdwfl's")
def _():
    with started(python(), env=ENV) as process:
        wait_for(lambda: is_reading(process.pid), "python's start")
        with attached(process.pid, *CHECKING, "-o", temp(".txt")) as watcher:
            process.stdin.write(b"\n")
            process.stdin.close()
            same(process.wait(60), 0, "python's status")
            judge("python, attached", finish(watcher).expect(0).stderr, 1000)


def is_reading(pid):
    """Does the process wait for its stdin?"""
    with open(f"/proc/{pid}/syscall", encoding="ascii") as call:
        return call.read().startswith("0 0x0 ")


def connect(path):
    """A stream to the server at a unix socket; None: not yet."""
    stream = socket.socket(socket.AF_UNIX)
    stream.settimeout(30)
    try:
        stream.connect(path)
    except OSError:
        stream.close()
        return None
    return stream


def outermost_frames(report):
    """For each leak of a text report: (blocks, its two outermost functions, is it cut)."""
    for entry in re.findall(r"^Leak sum=\d+ count=(\d+) .*\n((?: .*\n)+)", report, re.M):
        frames = entry[1].splitlines()
        is_cut = frames[-1] == MISSING
        names = [frame.split()[0] for frame in frames if frame != MISSING]
        yield int(entry[0]), names[-2:], is_cut


def full_chains(name, report):
    """Fails unless the leaks of a text report are told from the outermost frame on."""
    leaks = list(outermost_frames(report))
    blocks = sum(leak[0] for leak in leaks)
    ending = sum(leak[0] for leak in leaks if any(map(OUTERMOST.fullmatch, leak[1])))
    whole = sum(leak[0] for leak in leaks if not leak[2])
    note(f"{name}: {blocks} blocks in {len(leaks)} leaks, {whole} blocks with whole stacks, "
         f"{ending} of which are known to end where threads begin")
    check("\nLost events: 0.\n" in report, f"events were lost:\n{report}")
    check(len(leaks) >= 5, f"hardly any leaks:\n{report}")
    check(whole >= 0.99 * blocks, f"outer frames are missing:\n{report}")
    check(ending > 0.5 * blocks, f"stacks end elsewhere:\n{report}")


REDIS = """set s 1; append s abc; setrange s 5000 x; incr n; incrbyfloat n 1.5; mset a 1 b 2
lpush l a b c d e f; linsert l before b x; rpoplpush l m; sort l alpha; lrange l 0 -1; getset a 3
hset h a 1 b 2; hincrby h a 5; hgetall h; sadd t 1 2 3 x; sunionstore u t t; smembers u; spop t
zadd z 1 a 2 b; zincrby z 1 a; zrange z 0 -1 withscores; zunionstore y 1 z; pfadd p a b c; pfcount p
xadd e * k v; xrange e - +; xgroup create e g 0; xreadgroup group g c streams e >
eval "local t = {} for i = 1, 99 do t[i] = redis.call('set', 'k' .. i, i) end return t" 0
multi; set s 2; get s; exec; subscribe c; unsubscribe c; keys *; scan 0; object encoding l; info
config set maxmemory 100mb; config get *; client list; bitfield b set u8 0 255; slowlog get
geoadd q 13 38 x; geosearch q frommember x byradius 9 km; command count; debug sleep 0
dump h; copy h i; rename i j; expire j 1000"""


def redis_load(path):
    with connect(path) as stream:
        for word in re.split(r"; |\n", REDIS) * 3:
            stream.sendall(word.encode() + b"\r\n")
            check(stream.recv(1 << 20), f"redis closed the connection after {word}")
    with connect(path) as stream:
        # 6000 keys: tables are resized.
        stream.sendall(b"".join(b"sadd big %d\r\nhset all f%d %d\r\nset x%d y\r\n" % (i, i, i, i)
                                for i in range(2000)) + b"quit\r\n")
        while stream.recv(1 << 20):
            pass


@test("redis-server, attached: its stacks are libdwfl's, and whole")
def _():
    path = temp(".sock")
    argv = [tool("redis-server"), "--port", "0", "--unixsocket", path, "--save", "", "--dir",
            scratch(), "--enable-debug-command", "yes"]
    with started(argv, env=ENV, stdout=subprocess.DEVNULL) as server:
        wait_for(lambda: connect(path), "redis-server").close()
        with attached(server.pid, *CHECKING) as watcher:
            redis_load(path)
            done = interrupt(watcher).expect(0)
    judge("redis-server", done.stderr, 200)
    full_chains("redis-server", done.stdout)


NGINX = """
user root;
daemon off;
master_process on;
worker_processes 1;
pid {0}/pid;
error_log {0}/error;
events {{ worker_connections 100; }}
http {{
    access_log {0}/access;
    gzip on; gzip_min_length 1; gzip_types *;
    client_body_temp_path {0}/body; proxy_temp_path {0}/proxy; fastcgi_temp_path {0}/fastcgi;
    uwsgi_temp_path {0}/uwsgi; scgi_temp_path {0}/scgi;
    upstream self {{ server unix:{0}/sock; keepalive 4; }}
    server {{
        listen unix:{0}/sock;
        root {0}/root;
        location / {{ ssi on; ssi_types *; sub_filter one two; sub_filter_types *; }}
        location /list/ {{ alias {0}/root/; autoindex on; }}
        location /proxy/ {{ proxy_pass http://self/; proxy_http_version 1.1; }}
        location /old/ {{ rewrite ^/old/(.*)$ /$1 last; }}
        location /gone {{ return 410 "gone $request_uri"; }}
    }}
}}
"""

REQUESTS = ("/", "/page.html", "/list/", "/proxy/page.html", "/old/page.html", "/gone", "/absent",
            "/proxy/list/", "/page.html?" + "x" * 3000)


def nginx_request(path, request, method="GET", headers="", body=""):
    with connect(path) as stream:
        stream.sendall(f"{method} {request} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n"
                       f"Content-Length: {len(body)}\r\n{headers}\r\n{body}".encode())
        answer = b""
        while chunk := stream.recv(1 << 20):
            answer += chunk
    check(answer.startswith(b"HTTP/1.1 "), f"{request}: nginx answered {answer[:200]}")


def nginx_load(path):
    """Leaves connections open, whose memory is then live."""
    for request in REQUESTS * 3:
        nginx_request(path, request)
        nginx_request(path, request, headers="Accept-Encoding: gzip\r\nRange: bytes=1-9\r\n")
        nginx_request(path, request, "POST", body="x" * 100000)
    streams = [connect(path) for _ in range(20)]
    for stream in streams:
        stream.sendall(b"GET /proxy/page.html HTTP/1.1\r\nHost: test\r\n\r\n")
        check(stream.recv(1 << 16), "nginx does not answer")
        stream.sendall(b"POST /proxy/ HTTP/1.1\r\nHost: test\r\nContent-Length: 999999\r\n\r\nx")
    return streams


def nginx_directory():
    path = temp(".nginx")
    os.makedirs(os.path.join(path, "root"))
    os.chmod(path, 0o755)
    with open(os.path.join(path, "root", "page.html"), "w") as page:
        page.write("<!--# include virtual='/gone' --> one <!--# echo var='host' -->\n" * 50)
    with open(os.path.join(path, "conf"), "w") as conf:
        conf.write(NGINX.format(path))
    return path


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


@contextlib.contextmanager
def nginx():
    """A running nginx: the path of its socket, and its worker."""
    path = nginx_directory()
    sock = os.path.join(path, "sock")
    argv = [tool("nginx"), "-p", path, "-c", os.path.join(path, "conf")]
    with started(argv, env=ENV) as server:
        try:
            wait_for(lambda: connect(sock), "nginx").close()
            worker, = wait_for(lambda: children(server.pid), "a worker")
            yield sock, worker
        finally:
            server.terminate()  # killed, it would leave its workers behind
            server.wait(20)


@test("nginx, a worker, attached: its stacks are libdwfl's, and whole")
def _():
    with nginx() as (sock, worker):
        with attached(worker, *CHECKING) as watcher:
            streams = nginx_load(sock)
            done = interrupt(watcher).expect(0)
        for stream in streams:
            stream.close()
    judge("nginx", done.stderr, 40)
    full_chains("nginx", done.stdout)


if __name__ == "__main__":
    main()
