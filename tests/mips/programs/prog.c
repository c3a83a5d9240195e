typedef unsigned long size_t; extern void *malloc(size_t); extern int printf(const char *, ...);
struct node { struct node *left, *right; int key; double weight; };
#define F(n) static int f##n(struct node *p, int a) { int s = 0; for (int i = 0; i < a; i++) { \
	switch ((a ^ i) % 9) { case 0: s += i; break; case 1: s -= p->key; break; case 2: s <<= 1; break; \
	case 5: if (p->left) s += f##n(p->left, a / 2); break; case 7: p->weight *= 1.5; break; \
	default: s ^= a; } p = p->right ? p->right : p; } return s; }
#define G(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4)
G(1) G(2) G(3) G(4)
static struct node *insert(struct node *n, int k) { if (!n) { n = malloc(sizeof *n); n->key = k; }
	else if (k < n->key) n->left = insert(n->left, k); else n->right = insert(n->right, k); return n; }
float mat[16][16], out[16][16]; void mul(void) { for (int i = 0; i < 16; i++) for (int j = 0; j < 16; j++)
	for (int k = 0; k < 16; k++) out[i][j] += mat[i][k] * mat[k][j]; }
int main(int c, char **v) { struct node *t = 0; for (int i = 0; i < c * 100; i++) t = insert(t, i * 7919 % 101);
	mul(); return printf("%d\n", f10(t, c) + f21(t, c) + f32(t, 9) + f44(t, 7) + f13(t, c)); }
