%s/\<ka/[&]/g
%sort u
g/mi/m0
normal gg5ddGp
undo
w! out.txt
qa!
