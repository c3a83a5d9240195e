#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>
template <int N> struct fib { static constexpr int value = fib<N - 1>::value + fib<N - 2>::value; };
template <> struct fib<0> { static constexpr int value = 0; };
template <> struct fib<1> { static constexpr int value = 1; };
struct shape { virtual double area() const = 0; virtual ~shape() = default; };
template <class T> struct square : shape { T side; explicit square(T s) : side(s) {}
	double area() const override { if (side < 0) throw std::string("negative"); return side * side; } };
int main(int c, char **v) {
	std::map<std::string, std::vector<std::unique_ptr<shape>>> all;
	for (int i = 0; i < c; i++) all[v[i]].push_back(std::make_unique<square<double>>(i));
	double sum = fib<20>::value;
	try { for (auto &[name, list] : all) std::for_each(list.begin(), list.end(),
		[&](auto &s) { sum += s->area(); }); } catch (const std::string &e) { sum = e.size(); }
	std::vector<int> n{5, 3, 1}; std::sort(n.begin(), n.end()); return (int)sum + n[0]; }
