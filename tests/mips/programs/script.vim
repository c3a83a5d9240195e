%s/\<ka/[&]/g
%sort u
g/mi/m0
let x = map(range(50), 'v:val * 2')
let d = {}
for w in getline(1, 200) | let d[w] = len(split(w)) | endfor
call append(0, string(x) . len(d))
normal gg5ddGp
undo
w! out.txt
qa!
