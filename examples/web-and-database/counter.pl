# A web server of one page: counts its visitors in the database that the network knows as `db`.
use strict;
use warnings;
use IO::Socket::INET;

$SIG{TERM} = sub { exit 0 };
my $count = 'create table if not exists visitors (at timestamptz); insert into visitors values (now()); '
    . 'select count(*) from visitors';

my $server = IO::Socket::INET->new(LocalPort => 80, Listen => 16, ReuseAddr => 1) or die "port 80: $!";
while (my $visitor = $server->accept) {
    while (my $line = <$visitor>) { last if $line =~ /^\r?$/ }
    # The last line: the notice that the table is there already goes elsewhere.
    open(my $answer, '-|', 'psql', '-h', 'db', '-U', 'postgres', '-qtAc', $count) or die "psql: $!";
    my @lines = <$answer>;
    my $ok = close $answer;
    my $page = $ok ? "version VERSION, visitor $lines[-1]" : "the database does not answer yet\n";
    my $status = $ok ? '200 OK' : '503 Service Unavailable';
    print $visitor "HTTP/1.0 $status\r\nContent-Length: ", length $page, "\r\n\r\n$page";
}
