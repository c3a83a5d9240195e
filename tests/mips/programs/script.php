<?php
$n = []; foreach (preg_split('/\s+/', file_get_contents('words')) as $w) { $n[$w] = ($n[$w] ?? 0) + 1; }
arsort($n); echo count($n), ' ', array_key_first($n), "\n";
class N { public function __construct(public ?N $l, public ?N $r) {} }
function tree($d) { return $d ? new N(tree($d - 1), tree($d - 1)) : null; }
function size($t) { return $t ? 1 + size($t->l) + size($t->r) : 0; } echo size(tree(8)), "\n";
$j = json_decode(file_get_contents('rows.json'), true); usort($j, fn($a, $b) => $a['deep']['value'] <=> $b['deep']['value']);
echo strlen(json_encode($j, JSON_PRETTY_PRINT)), ' ', md5(serialize($j)) != '', "\n";
function g($k) { for ($i = 0; $i < $k; $i++) { $x = yield $i => str_repeat('z', $i); } return 7; }
foreach (g(100) as $k => $v) { $s[] = sprintf('%05d%s', $k, strtoupper($v)); } echo strlen(implode(',', $s)), "\n";
try { (function () { throw new LogicException('no'); })(); } catch (Exception $e) { echo strlen($e->getTraceAsString()) > 0, "\n"; }
ob_start(); var_dump(array_map(null, range(1, 20), range('a', 't'))); echo strlen(ob_get_clean()), ' ', date('Y', 0), "\n";
$f = new Fiber(function () { for ($i = 0; $i < 5; $i++) { Fiber::suspend(str_repeat('f', $i)); } }); $f->start(); $f->resume();
