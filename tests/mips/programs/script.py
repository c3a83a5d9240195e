import collections, functools, itertools, json, random, re, signal, string, sys, threading
rows = json.load(open('rows.json'))
print(len(json.dumps(rows, indent=1, sort_keys=True)))
words = re.findall(r'\b\w*(?:ka|mi)\w*\b', open('words').read())
print(collections.Counter(words).most_common(2))
class Node:
    def __init__(self, depth):
        self.kids = [Node(depth - 1) for _ in range(2)] if depth else []
    def __len__(self):
        return 1 + sum(len(kid) for kid in self.kids)
print(len(Node(7)))
@functools.lru_cache(None)
def paths(a, b):
    return 1 if not a or not b else paths(a - 1, b) + paths(a, b - 1)
print(paths(20, 20), sorted(words, key=lambda w: w[::-1])[:3])
hits = []
signal.signal(signal.SIGALRM, lambda *args: hits.append(str(args[0]) * 30))
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
found = []
def work(seed):
    chance = random.Random(seed)
    found.append(''.join(chance.choice(string.ascii_letters) for _ in range(2000)))
threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
[t.start() for t in threads]; [t.join() for t in threads]
def gen(n):
    try:
        yield from (gen(n - 1) if n else itertools.count())
    finally:
        found.append(n)
g = gen(20); print(next(g), next(g)); g.close()
try:
    eval('(' * 50 + '1/0' + ')' * 50)
except ZeroDivisionError as error:
    print(error, len(found), '%r %s' % (2 ** 200, format(1.5, '>10')))
exec(compile('def q(a, *b, **c):\n    return {k: v for k, v in c.items()}\n' * 20, 'x', 'exec'))
print(hash(frozenset(q(1, x=2))) != 0, bytes(range(256)).decode('latin-1').encode('utf-8')[:3])
signal.setitimer(signal.ITIMER_REAL, 0)
print(len(hits) > 0)
