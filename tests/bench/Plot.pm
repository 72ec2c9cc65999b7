# The plot of the benchmark, an SVG: the time of a message of 1 KiB against the
# round trip, and that of a message on this machine against its size.

package Plot;

use strict;
use warnings;

use Measure qw(contest);
use OwnTree qw(spew);
use Rows;
use World;

use constant {
	WIDTH	=> 1040,
	HEIGHT	=> 470,
	PANEL	=> 400,		# the square that has the lines, wide
	TALL	=> 300,		# and high
	LEFT	=> 75,
	TOP	=> 90,
	NEXT	=> 500,		# from one panel to the next
};

# Name, colour, width, dashes; the order of the legend.
my @series = (
	[ours => '#1f5fbf', 3, ''],
	[floor => '#222222', 2, '6 4'],
	[msmtp => '#d9731a', 2, ''],
	[curl => '#2f8f4e', 2, ''],
);
my @round_trips = (0, 20, 50, 100, 150, 200);
my @sizes = map { $_ * World::KIB } 1, 16, 256, 2 * 1024, 16 * 1024, 100 * 1024;

# Points of each series, at each of some places: { name => [[x, seconds] ...] }.
sub points {
	my ($world, $contestants, @places) = @_;
	my %known = map { $_->[0] => 1 } @series;
	my %points;

	for my $place (@places) {
		my $result = contest($world, rounds => 1, warm => 0, contestants =>
		    [grep { $known{$_->{name}} } $contestants->($place)]);
		for my $name (keys %$result) {
			push @{$points{$name}}, [$place, $result->{$name}{there} * 1e-9]
			    if $result->{$name}{there};
		}
	}
	return \%points;
}

sub draw {
	my ($world, $path) = @_;
	my $file = $world->message(World::KIB);
	my $sink = $world->sink(chunking => 0);
	my $by_trip = points($world, sub {
		return Rows::all(['sends'], $world, $world->delayed($sink, $_[0]), $file);
	}, @round_trips);
	my $by_size = points($world, sub {
		return Rows::all(['sends'], $world, $sink, $world->message($_[0]));
	}, @sizes);

	spew($path, svg($by_trip, $by_size));
}

sub svg {
	my ($by_trip, $by_size) = @_;
	my @shown = grep { $by_trip->{$_->[0]} || $by_size->{$_->[0]} } @series;

	return join "\n", '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ' . WIDTH . ' ' . HEIGHT .
	    '" width="' . WIDTH . '" height="' . HEIGHT . '" font-family="sans-serif" font-size="13">',
	    '<rect width="100%" height="100%" fill="white"/>', legend(@shown),
	    '<g transform="translate(' . LEFT . ' ' . TOP . ')">', trip_panel($by_trip, @shown), '</g>',
	    '<g transform="translate(' . (LEFT + NEXT) . ' ' . TOP . ')">', size_panel($by_size, @shown),
	    '</g>', '</svg>', '';
}

sub text {
	my ($x, $y, $text, %attribute) = @_;
	my $more = join '', map { " $_=\"$attribute{$_}\"" } sort keys %attribute;

	return sprintf '<text x="%.1f" y="%.1f"%s>%s</text>', $x, $y, $more, $text;
}

sub legend {
	my (@shown) = @_;
	my $x = LEFT;
	my @lines;

	for (@shown) {
		my ($name, $colour, $width, $dashes) = @$_;
		push @lines, "<path d=\"M$x 26h30\" stroke=\"$colour\" stroke-width=\"$width\"" .
		    ($dashes ? " stroke-dasharray=\"$dashes\"" : '') . '/>',
		    text($x + 36, 30, $name eq 'ours' ? 'sendmail-submit' : $name);
		$x += $name eq 'ours' ? 170 : 110;
	}
	return @lines;
}

# Lines across the panel, with their names: [place in points, text] each.
sub grid {
	my ($across, $up, $title, $below, $beside) = @_;
	my @lines = text(0, -18, $title, 'font-size' => 15, 'font-weight' => 'bold');

	for (@$across) {
		my ($x, $name) = @$_;
		push @lines, sprintf('<path d="M%.1f 0v%d" stroke="#e2e2e2"/>', $x, TALL),
		    text($x, TALL + 18, $name, 'text-anchor' => 'middle');
	}
	for (@$up) {
		my ($y, $name) = @$_;
		push @lines, sprintf('<path d="M0 %.1fh%d" stroke="#e2e2e2"/>', $y, PANEL),
		    text(-8, $y + 4, $name, 'text-anchor' => 'end');
	}
	return @lines, sprintf('<path d="M0 0V%dH%d" fill="none" stroke="#333333"/>', TALL, PANEL),
	    text(PANEL / 2, TALL + 42, $below, 'text-anchor' => 'middle'),
	    text(0, 0, $beside, 'text-anchor' => 'middle',
	    transform => 'translate(-56 ' . TALL / 2 . ') rotate(-90)');
}

# The lines of the series, the thicker ones below.
sub curves {
	my ($points, $x, $y, @shown) = @_;
	my @lines;

	for (sort { $b->[2] <=> $a->[2] } @shown) {
		my ($name, $colour, $width, $dashes) = @$_;
		my @at = map { [$x->($_->[0]), $y->($_->[1])] } @{$points->{$name} // next};
		push @lines, '<polyline points="' . join(' ', map { sprintf '%.1f,%.1f', @$_ } @at) .
		    "\" fill=\"none\" stroke=\"$colour\" stroke-width=\"$width\"" .
		    ($dashes ? " stroke-dasharray=\"$dashes\"" : '') . '/>',
		    map { sprintf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"$colour\"/>", @$_ } @at;
	}
	return @lines;
}

sub most {
	my ($least, @values) = @_;

	for (@values) {
		$least = $_ if $_ > $least;
	}
	return $least;
}

sub trip_panel {
	my ($points, @shown) = @_;
	my $most = most(0.1, map { map { $_->[1] } @$_ } values %$points);
	my ($step) = grep { $most / $_ <= 6 } 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50;
	my $top = $step * (int($most / $step) + 1);
	my $x = sub { $_[0] / $round_trips[-1] * PANEL };
	my $y = sub { TALL - $_[0] / $top * TALL };
	my @up = map { [$y->($_ * $step), sprintf '%g', $_ * $step] } 0 .. int($top / $step + 0.5);

	return grid([map { [$x->($_), $_] } @round_trips], \@up, 'A message of 1 KiB (STARTTLS, DATA)',
	    'round trip, milliseconds', 'seconds'), curves($points, $x, $y, @shown);
}

sub size_panel {
	my ($points, @shown) = @_;
	my @all = map { map { $_->[1] } @$_ } values %$points;
	my ($low, $high) = (0.001, 0.01);
	$high *= 10 while $high < most(0, @all);
	$low *= 10 while @all && $low * 10 < -most(-1e9, map { -$_ } @all);
	my $part = sub { log($_[0] / $_[1]) / log($_[2] / $_[1]) };
	my $x = sub { $part->($_[0], $sizes[0], $sizes[-1]) * PANEL };
	my $y = sub { TALL - $part->($_[0], $low, $high) * TALL };
	my @up;
	for (my $at = $low; $at <= $high * 1.001; $at *= 10) {
		push @up, [$y->($at), $at < 0.999 ? sprintf('%g ms', $at * 1000) : sprintf('%g s', $at)];
	}
	my @across = map { [$x->($_), $_ < World::MIB ? $_ / World::KIB . ' KiB' :
	    $_ / World::MIB . ' MiB'] } @sizes;

	return grid(\@across, \@up, 'Without a round trip, by size (DATA)',
	    'size of the message', ''), curves($points, $x, $y, @shown);
}

1;
