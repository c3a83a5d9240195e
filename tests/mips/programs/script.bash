fib() { local n=$1; if [ $n -lt 2 ]; then echo $n; else
	echo $(( $(fib $((n - 1))) + $(fib $((n - 2))) )); fi; }
fib 5
i=0; while [ $i -lt 200 ]; do i=$((i + 1)); x="$x${i}:"; case $x in *7:) y="${x%:*}" ;; esac; done
set -- $(echo a b c d e f); for w; do z="${w}${z#a}"; done; trap 'echo bye' EXIT
while read -r a b c; do n="${a##*k}$b"; v=${n:-none}; done <words
eval "echo \"${z}\" ${#x} | { read -r l; echo \$l; }"

declare -A map; for w in $(<words); do map[$w]=$(( ${map[$w]:-0} + 1 )); done; echo ${#map[@]}
a=(); for ((i = 0; i < 300; i++)); do a+=("$(printf '%03d' $((i * 7 % 300)))"); done
[[ "${a[*]}" =~ ([0-9]+)\ ([0-9]+) ]] && echo "${BASH_REMATCH[2]}" "${a[@]:5:3}" "${a[@]/#0/x}" >/dev/null
trap 'hit=1' USR1; kill -USR1 $$; echo "$hit" {a..e}{1..3}; x=${x//1/one}; echo "${x^^}" | { read -n 10 y; echo $y; }
