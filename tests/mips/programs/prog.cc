#include <memory>
#include <vector>

template <int N> struct fib { static constexpr int value = fib<N - 1>::value + fib<N - 2>::value; };
template <> struct fib<0> { static constexpr int value = 0; };
template <> struct fib<1> { static constexpr int value = 1; };

struct shape {
	virtual double area() const = 0;
	virtual ~shape() = default;
};

template <class T> struct square : shape {
	T side;
	explicit square(T s) : side(s) {}
	double area() const override
	{
		if (side < 0)
			throw side;
		return side * side;
	}
};

int main(int c, char **)
{
	std::vector<std::unique_ptr<shape>> all;
	double sum = fib<20>::value;

	for (int i = 0; i < c; i++)
		all.push_back(std::make_unique<square<double>>(i));
	try {
		for (auto &one : all)
			[&](auto &s) { sum += s->area(); }(one);
	} catch (double e) {
		sum = e;
	}
	return (int)sum;
}
