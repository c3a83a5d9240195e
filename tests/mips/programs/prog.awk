{ for (i = 1; i <= NF; i++) { n[$i]++; len[length($i)]++ } line = line $1 }
function ack(m, k) { return m == 0 ? k + 1 : k == 0 ? ack(m - 1, 1) : ack(m - 1, ack(m, k - 1)) }
END { for (w in n) if (n[w] > 9) c++; print c, length(line), ack(2, 6)
gsub(/ka|ru/, "<&>", line); print substr(line, 1, 60), toupper(substr(line, 5, 9)), sprintf("%5.2f", 2 / 3)
n2 = split(line, parts, "<"); print n2, index(line, "mi"), match(line, /(to)+ne/) }