# The table of the benchmark: rows of figures, ratios, limits, and what is to be
# said about them.
#
#	my $table = Table->new(recorded => 'ratios', columns => [...]);
#	$table->heading('Small message');
#	$table->row(key => 'small.wall', title => 'wall, ms', scale => 1e-6,
#	    digits => 2, limit => { factor => 1.15 }, cells => $result, figure => 'wall');
#	print $table->text;
#	print $table->findings;
#	print STDERR $table->failures;
#
# The ratio of a row is ours to floor, so that more is worse; with rate => 1,
# where more is better, it is floor to ours. A cell that has "failed" or "na" in
# place of the figure says so; failures() tell why.
#
# Limits: factor (of floor), plus (beyond floor), most (ours alone), below (the
# name of a column), least (ours alone, of a rate).

package Table;

use strict;
use warnings;

use constant {
	WORSE		=> 1.1,
	TITLE		=> 27,
	WIDTH		=> 8,		# of ours and floor
	NARROW		=> 7,		# of the others
};

sub new {
	my ($class, %given) = @_;
	my $self = bless { rows => [], %given }, $class;

	if ($self->{recorded} && open my $file, '<', $self->{recorded}) {
		while (<$file>) {
			$self->{before}{$1} = $2 if /^([\w.-]+)\s+([\d.]+)/;
		}
	}
	return $self;
}

sub heading {
	my ($self, $text) = @_;

	push @{$self->{rows}}, { heading => $text };
}

sub row {
	my ($self, %row) = @_;
	my $scale = $row{scale} // 1;

	for my $name (keys %{$row{cells}}) {
		my $cell = $row{cells}{$name};
		my $figure = $row{figure};
		if (ref $cell && defined $cell->{failed} || ref $cell && defined $cell->{na}) {
			$row{why}{$name} = $cell->{failed} // $cell->{na};
			$row{shown}{$name} = defined $cell->{failed} ? 'failed' : 'n/a';
			next;
		}
		my $value = ref $cell ? $cell->{$figure} : $cell;
		next if !defined $value;
		$row{value}{$name} = $row{rate} ? $scale / $value : $value * $scale;
		$row{shown}{$name} = sprintf '%.*f', $row{digits} // 1, $row{value}{$name};
	}
	my ($ours, $floor) = @{$row{value} // {}}{qw(ours floor)};
	$row{ratio} = $row{rate} ? $floor / $ours : $ours / $floor if $ours && $floor;
	push @{$self->{rows}}, \%row;
	return \%row;
}

# What the limit is, for people; and whether ours keeps it.
sub judge {
	my ($row) = @_;
	my %limit = %{$row->{limit} // {}};
	my ($ours, $floor) = @{$row->{value} // {}}{qw(ours floor)};
	my @said;

	return if !%limit || !defined $ours;
	my $number = sub { sprintf '%.*f', $row->{digits} // 1, $_[0] };
	push @said, "more than $limit{factor} x floor"
	    if $limit{factor} && $floor && $ours > $limit{factor} * $floor;
	push @said, "more than floor + $limit{plus}"
	    if $limit{plus} && $floor && $ours > $floor + $limit{plus};
	push @said, 'more than ' . $number->($limit{most})
	    if $limit{most} && $ours > $limit{most};
	push @said, 'less than ' . $number->($limit{least})
	    if $limit{least} && $ours < $limit{least};
	push @said, "not below $limit{below} (" . $number->($row->{value}{$limit{below}}) . ')'
	    if $limit{below} && defined $row->{value}{$limit{below}} &&
	    $ours >= $row->{value}{$limit{below}};
	return @said;
}

sub limit_shown {
	my ($row) = @_;
	my %limit = %{$row->{limit} // {}};

	return $limit{factor} ? "x$limit{factor}" : $limit{plus} ? "+$limit{plus}" :
	    $limit{most} ? "<$limit{most}" : $limit{least} ? ">$limit{least}" :
	    $limit{below} ? "<$limit{below}" : '';
}

sub columns {
	my ($self) = @_;

	return grep { my $name = $_; grep { defined $_->{shown}{$name} } @{$self->{rows}} }
	    @{$self->{columns}};
}

sub text {
	my ($self) = @_;
	my @columns = $self->columns;
	my @peers = grep { !/^(?:floor|ours)$/ } @columns;
	my $line = sub {
		my ($title, @cells) = @_;
		my @width = ((WIDTH) x 2, (NARROW) x @cells);
		return sprintf("%-${\TITLE}s", $title) .
		    join('', map { sprintf "%$width[$_]s", $cells[$_] } 0 .. $#cells) =~ s/ +\z//r . "\n";
	};
	my $text = $line->('', qw(floor ours ratio limit),
	    map { length() < NARROW ? $_ : substr($_, 0, NARROW - 2) . '.' } @peers);

	for my $row (@{$self->{rows}}) {
		if (defined $row->{heading}) {
			$text .= "\n$row->{heading}\n";
			next;
		}
		$text .= $line->("  $row->{title}", (map { $row->{shown}{$_} // '-' } qw(floor ours)),
		    (defined $row->{ratio} ? sprintf '%.*f', $row->{ratio} < 100 ? 2 : 0, $row->{ratio} : '-') .
		    ($self->worse($row) ? '!' : ' '), limit_shown($row) . (judge($row) ? '!' : ' '),
		    map { $row->{shown}{$_} // '-' } @peers);
	}
	return $text;
}

# The ratio that was recorded, where this one is worse by more than a tenth.
sub worse {
	my ($self, $row) = @_;
	my $before = $self->{before}{$row->{key}};

	return $before && $row->{ratio} && $row->{ratio} > WORSE * $before ? $before : undef;
}

# Lines: what has got worse, what is beyond its limit.
sub findings {
	my ($self) = @_;
	my (@worse, @beyond);

	for my $row (grep { defined $_->{key} } @{$self->{rows}}) {
		my $before = $self->worse($row);
		push @worse, sprintf "worse than recorded: %s: %.2f x floor, was %.2f\n",
		    $row->{key}, $row->{ratio}, $before if $before;
		push @beyond, map { "beyond its limit: $row->{key}: $row->{shown}{ours}, $_\n" }
		    judge($row);
	}
	return join '', @worse, @beyond;
}

# Lines: who has no figures where, and why.
sub failures {
	my ($self) = @_;
	my %where;

	for my $row (grep { $_->{why} } @{$self->{rows}}) {
		push @{$where{"$_: $row->{why}{$_}"}}, $row->{key} for keys %{$row->{why}};
	}
	return map { "bench: $_ (" . join(', ', @{$where{$_}}) . ")\n" } sort keys %where;
}

# Whether ours or floor has failed in any row.
sub broken {
	my ($self) = @_;

	return grep { my $row = $_; grep { ($row->{shown}{$_} // '') eq 'failed' }
	    qw(ours floor) } @{$self->{rows}};
}

# The ratios as they are recorded, those of rows that were not run kept.
sub record {
	my ($self) = @_;
	my %ratio = (%{$self->{before} // {}}, map { $_->{key} => sprintf '%.3f', $_->{ratio} }
	    grep { defined $_->{ratio} } @{$self->{rows}});

	return "# ours / floor of each row of the benchmark, written by bench.pl --record.\n" .
	    join '', map { "$_ $ratio{$_}\n" } sort keys %ratio;
}

1;
