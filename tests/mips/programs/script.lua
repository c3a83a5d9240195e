local n = {} for line in io.lines('words') do for w in line:gmatch('%a+') do n[w] = (n[w] or 0) + 1 end end
local k = {} for w in pairs(n) do k[#k + 1] = w end table.sort(k, function(a, b) return n[a] > n[b] or n[a] == n[b] and a < b end)
print(k[1], #k, ('x'):rep(100):gsub('x', {x = 'yz'}):sub(1, 5))
local function gen(d) return coroutine.wrap(function() if d > 0 then for v in gen(d - 1) do coroutine.yield(v .. d) end end
 for i = 1, 5 do coroutine.yield('v' .. i) end end) end
for v in gen(6) do assert(#v > 0) end
print(pcall(function() error({1}) end), select('#', table.unpack(k)), string.format('%q %5.1f', 'a\n', 2.5))
local m = setmetatable({}, {__index = function(t, i) local v = i < 2 and i or t[i - 1] + t[i - 2] t[i] = v return v end})
print(m[60], load('return function(a, ...) return a + select("#", ...) end')()(1, 2, 3), #tostring(m))
for i = 1, 200 do local s = {} for j = 1, 20 do s[j] = tostring(i * j) end table.concat(s, ',') end
