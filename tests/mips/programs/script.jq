[.[] | select(.id % 3 == 0) | {name, n: (.tags | length), s: ([.deep.list[]?] | add)}]
| group_by(.name) | map({key: .[0].name, value: (map(.s // 0) | add)}) | from_entries
| to_entries | sort_by(.value) | reverse | .[:10] | map(.key | ascii_upcase | test("N[0-9]+"))
| [limit(5; .[])] , (def f: if . < 2 then . else (. - 1 | f) + (. - 2 | f) end; 12 | f)
, ([range(100)] | map(tostring) | join(",") | split(",") | length)
