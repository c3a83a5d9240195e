fib() { local n=$1; if [ $n -lt 2 ]; then echo $n; else
	echo $(( $(fib $((n - 1))) + $(fib $((n - 2))) )); fi; }
fib 5
i=0; while [ $i -lt 200 ]; do i=$((i + 1)); x="$x${i}:"; case $x in *7:) y="${x%:*}" ;; esac; done
set -- $(echo a b c d e f); for w; do z="${w}${z#a}"; done; trap 'echo bye' EXIT
while read -r a b c; do n="${a##*k}$b"; v=${n:-none}; done <words
eval "echo \"${z}\" ${#x} | { read -r l; echo \$l; }"
