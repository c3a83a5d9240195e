use strict; use warnings; my %n; open my $f, '<', 'words' or die; while (<$f>) { $n{$_}++ for split }
print join(' ', (sort { $n{$b} <=> $n{$a} || $a cmp $b } keys %n)[0 .. 5]), "\n";
sub ack { my ($m, $k) = @_; $m == 0 ? $k + 1 : $k == 0 ? ack($m - 1, 1) : ack($m - 1, ack($m, $k - 1)) }
print ack(2, 5), "\n"; my @l = map { { id => $_, t => [1 .. $_ % 5] } } 1 .. 300;
my $s = join ',', map { sprintf '%03d:%s', $_->{id}, scalar @{$_->{t}} } grep { $_->{id} % 2 } @l;
$s =~ s/(\d+):(\d)/$2-$1/g; my @m = $s =~ /((?:4-\d+,?)+)/g; print scalar(@m), length $s, "\n";
my $c = do { my $x = 0; sub { $x += shift } }; $c->($_) for 1 .. 100; print $c->(0), "\n";
eval { die { code => 42 } }; print $@->{code}, ' ', eval '2 ** 10 + length("x" x 1000)', "\n";
local $SIG{ALRM} = sub { $c->(1) }; alarm 1; my @sorted = sort { lc $a cmp lc $b } (keys %n) x 3;
print pack('A3 n C', 'abcdef', 258, 7) eq "abc\x01\x02\x07" ? 'ok' : 'no', ' ', scalar reverse('abc'), "\n";
package P; sub new { bless { v => $_[1] }, $_[0] } sub DESTROY { } package main; P->new($_) for 1 .. 200;
alarm 0;
