set f [open words]; set text [read $f]; close $f; foreach w $text { incr n($w) }
puts [llength [lsort -unique -dictionary $text]]; proc fib k { expr {$k < 2 ? $k : [fib [expr {$k-1}]] + [fib [expr {$k-2}]]} }
puts [fib 12]; puts [string length [regsub -all {(ka)+} $text {<\1>}]]; set d [dict create]
for {set i 0} {$i < 200} {incr i} { dict lappend d [expr {$i % 7}] [string repeat x $i] }; puts [dict size $d]
puts [catch {error boom} m]:$m[format %05d 42][clock format 0 -gmt 1 -format %Y]; namespace eval a { variable v 1; proc p {} { variable v; incr v } }; puts [a::p]
coroutine c apply {{} { yield; for {set i 0} {$i < 20} {incr i} { yield [string repeat y $i] } }}; puts [c][c][c]
