words = File.read('words').split; n = Hash.new(0); words.each { |w| n[w] += 1 }
puts n.sort_by { |w, c| [-c, w] }.first(3).inspect, words.join(' ').gsub(/(ka)(ru)?/) { $1.upcase }.length
Node = Struct.new(:l, :r); tree = ->(d) { d.zero? ? nil : Node.new(tree[d - 1], tree[d - 1]) }
count = ->(t) { t ? 1 + count[t.l] + count[t.r] : 0 }; puts count[tree[8]]
begin; raise ArgumentError, 'x' * 50; rescue => e; puts e.message.size; ensure; puts :done; end
puts (1..200).lazy.select(&:even?).map { |x| (x ** 20).to_s }.first(20).sum(&:size)
class A; def method_missing(m, *a) = m.to_s * a.size; def respond_to_missing?(*) = true; end; puts A.new.foo(1, 2)
puts eval('[1, [2, [3, [4]]]].flatten.map { _1 * 2 }.inspect'), format('%08.3f %s', 3.14159, :sym), 10.pow(50).digits.size
