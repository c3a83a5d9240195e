define(`f', `ifelse($1, 0, 1, `eval($1 * f(decr($1)))')')f(10)
define(`loop', `ifelse($1, $2, , `$1 translit(`abc', `a-c', `A-C') loop(incr($1), $2)')')loop(1, 60)
patsubst(`GNUs not Unix', `\w+', `<\&>') format(`%05d', 42) len(`abc') substr(`hello', 1, 3)
