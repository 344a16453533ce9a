#!/usr/bin/perl
# The documents of one domain, for scripts/corpora.
#   documents.pl TRAIN VALIDATION REPORT <SOURCES      SOURCES: lines of a form, a tab and a file
# Writes the two files as JSON lines {"text": …}, in the order of the texts' hashes, and a report of their sizes. The
# texts with the smallest hashes are the validation part, so that a text is in one part whatever stands beside it.
use strict;
use warnings;
use utf8;
use Digest::MD5 'md5_hex';
use Encode ();

my $largest = 20_000;         # characters; longer texts are cut into documents at blank lines
my $smallest = 200;           # shorter ones are left out: headings, stubs
my $smallest_quotation = 60;
my $joined_entries = 1_500;   # entries of dictionaries follow each other until a document is this long
my $held_out = 0.02;          # share of the validation part,
my $least_held_out = 20;      # which has at least so many documents, but never more than half of them

sub read_all {
  my ($file) = @_;
  my @command = $file =~ /\.(gz|dz)$/ ? ('gzip', '-dc', '--', $file) : ('cat', '--', $file);
  return output_of(@command);
}

sub output_of {
  my (@command) = @_;
  open(my $pipe, '-|', @command) or die "corpora: cannot run $command[0]: $!\n";
  local $/;
  my $bytes = <$pipe> // '';
  close($pipe) or die "corpora: '@command' failed\n";
  return decoded($bytes);
}

# UTF-8 where the bytes are UTF-8, Latin-1 where not.
sub decoded {
  my ($bytes) = @_;
  my $copy = $bytes;
  my $text = eval { Encode::decode('UTF-8', $copy, Encode::FB_CROAK) };
  return $text // Encode::decode('ISO-8859-1', $bytes);
}

# --- the forms: each takes a file and gives texts ---

sub html_texts {
  my ($file) = @_;
  my $html = read_all($file);
  $html =~ s/^.*?<body[^>]*>//si;
  $html =~ s/<(script|style)\b.*?<\/\1>//sgi;
  $html =~ s/<!--.*?-->//sg;
  $html =~ s/<(div|p|span) class="(?:header|footer|foot|chlink|ContS|ChapSects|tocline|copiable)[^"]*".*?<\/\1>//sgi;
  $html =~ s/<a [^>]*class='copiable-anchor'.*?<\/a>//sgi;
  # Blanks and line breaks say nothing outside of <pre>; inside, blanks pass as another character.
  $html =~ tr/\x01//d;
  $html = join '', map { /^<pre/i ? "\n\n" . s/(?:^|(?<=>)) +/"\x01" x length $&/mger . "\n\n" : s/\s+/ /sgr } split /(<pre\b.*?<\/pre>)/si, $html;
  $html =~ s/<(?:br|\/?tr|\/dt|dd|li)\b[^>]*>/\n/gi;
  $html =~ s/<\/?(?:p|div|h[1-6]|[duo]l|dt|blockquote|table|hr)\b[^>]*>/\n\n/gi;
  $html =~ s/<[a-z\/!][^>]*>//sgi;
  $html =~ s/^ +//mg;
  $html =~ tr/\x01/ /;
  return html_decoded($html);
}

my %entities = (lt => '<', gt => '>', quot => '"', apos => "'", nbsp => ' ', mdash => '—', ndash => '–', rsquo => '’',
  lsquo => '‘', ldquo => '“', rdquo => '”', hellip => '…', minus => '−', times => '×', rarr => '→', eacute => 'é',
  egrave => 'è', ouml => 'ö', uuml => 'ü', auml => 'ä', para => '', copy => '©', middot => '·', euro => '€', pound => '£',
  szlig => 'ß', ntilde => 'ñ', iacute => 'í', agrave => 'à', aacute => 'á');

sub html_decoded {
  my ($text) = @_;
  $text =~ s/&#x([0-9a-f]{1,6});/chr hex $1/gie;
  $text =~ s/&#([0-9]{1,6});/chr $1/ge;
  $text =~ s/&([a-z]+);/$entities{$1} \/\/ "&$1;"/ge;
  $text =~ s/&amp;/&/g;
  return $text;
}

sub fortune_texts { return map { s/.\x08//gr } split /^%\n/m, read_all($_[0]) }

# Chapters of the Bible, without the numbers of the verses. The program finds its texts where it was installed, and in
# the folder that it runs in.
sub bible_texts {
  my ($program) = @_;
  my ($root) = $program =~ m{^(.*)/usr/bin/bible$};
  my $text = output_of('sh', '-c', 'cd "$1/usr/lib" && exec "$2" -l8000 Gen1:1-Rev22:21 </dev/null', 'sh', $root || '/',
    $program);
  my @chapters = split /^(?=\S)/m, $text;
  s/^ +\d+ //mg for @chapters;
  return @chapters;
}

# Entries begin at the margin after a blank line.
sub entry_texts {
  my ($file) = @_;
  my @texts = ('');
  for my $entry (split /\n\n+(?=\S)/, read_all($file)) {
    next if $entry =~ /^\s*00-?database/;
    $texts[-1] .= "$entry\n\n";
    push @texts, '' if length $texts[-1] >= $joined_entries;
  }
  return @texts;
}

# A manual page as nroff shows it, without its first and last line, hyphens and stretched lines. Pages that only name
# another are left out.
sub man_texts {
  my ($file) = @_;
  my $source = read_all($file);
  return () if $source =~ /^\.so /;
  my $text = output_of('sh', '-c',
    '{ printf ".na\n.nh\n.de ad\n..\n.de hy\n..\n"; gzip -dcf -- "$1"; } | groff -K utf8 -t -man -T utf8 -P -c -P -b -P -o -P -u 2>/dev/null',
    'sh', $file);
  $text =~ s/.\x08//g;
  $text =~ tr/‐−/--/;
  $text =~ s/\A\s*\S[^\n]*\n//;
  $text =~ s/\n[^\n]*\S\s*\z/\n/;
  return $text;
}

my %forms = (html => \&html_texts, fortune => \&fortune_texts, bible => \&bible_texts, entries => \&entry_texts,
  man => \&man_texts, text => sub { read_all($_[0]) });

# --- documents ---

sub cleaned {
  my ($text) = @_;
  $text =~ s/\r\n?/\n/g;
  $text =~ s/[^\P{Cc}\n\t]|\x{feff}//g;
  $text =~ s/[ \t\x{a0}]+$//mg;
  $text =~ s/\n{3,}/\n\n/g;
  $text =~ s/\A\n+|\s+\z//g;
  return $text;
}

# At most $largest characters each, cut before a paragraph, or a line, or anywhere.
sub cut {
  my ($text) = @_;
  my @pieces;
  while (length $text > $largest) {
    my $head = substr $text, 0, $largest;
    my $at = $head =~ /^.*\n\n(?=\S)/s ? $+[0] : $head =~ /^.*\n/s ? $+[0] : $largest;
    push @pieces, substr $text, 0, $at, '';
  }
  return (@pieces, $text);
}

sub json_string {
  my ($text) = @_;
  $text =~ s/(["\\])/\\$1/g;
  $text =~ s/\n/\\n/g;
  $text =~ s/\t/\\t/g;
  return "\"$text\"";
}

sub write_documents {
  my ($path, @documents) = @_;
  open(my $file, '>:encoding(UTF-8)', $path) or die "corpora: $path: cannot be written: $!\n";
  my $bytes = 0;
  for my $text (@documents) {
    $bytes += length Encode::encode('UTF-8', $text);
    print {$file} '{"text": ', json_string($text), "}\n" or die "corpora: $path: cannot be written: $!\n";
  }
  close($file) or die "corpora: $path: cannot be written: $!\n";
  return {documents => scalar @documents, bytes => $bytes};
}

my ($train_file, $validation_file, $report_file) = @ARGV;
my %documents;   # hash to text: every text once
while (my $line = <STDIN>) {
  chomp $line;
  my ($form, $file) = split /\t/, $line, 2;
  my $texts = $forms{$form} or die "corpora: unknown form '$form'\n";
  my $least = $form eq 'fortune' ? $smallest_quotation : $smallest;
  for my $text (map { cut(cleaned($_)) } $texts->($file)) {
    $text = cleaned($text);
    $documents{md5_hex(Encode::encode('UTF-8', $text))} = $text if length $text >= $least;
  }
}

my @hashes = sort keys %documents;
my $validation = grep { hex(substr $_, 0, 8) < $held_out * 2**32 } @hashes;
my $at_most = int(@hashes / 2);
$validation = $least_held_out if $validation < $least_held_out;
$validation = $at_most if $validation > $at_most;
my @texts = @documents{@hashes};
my $held = write_documents($validation_file, @texts[0 .. $validation - 1]);
my $kept = write_documents($train_file, @texts[$validation .. $#texts]);
open(my $report, '>', $report_file) or die "corpora: $report_file: cannot be written: $!\n";
printf {$report} "train: %d documents, %d bytes; validation: %d documents, %d bytes\n", $kept->{documents},
  $kept->{bytes}, $held->{documents}, $held->{bytes};
close($report) or die "corpora: $report_file: cannot be written: $!\n";
