//! The command line of the runtime: what is understood and what is refused by name.

use std::ffi::OsString;

use engine::bundle::request::{EventsUntil, ExecProcess, InheritedFds};

use super::global;
use super::verb::{self, Changes, Command};
use crate::caller::Process;
use crate::error::{Exit, Failure};
use crate::tests::Fixed;

fn parse(line: &str) -> Result<Command, Exit> {
    let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    let (_, words) = global::parse(&args, &Process)?;
    verb::parse(&words, &Process)
}

#[track_caller]
fn refused(line: &str) -> Failure {
    match parse(line) {
        Err(Exit::Fail(failure)) => failure,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn callers_of_runc_are_understood() {
    let line = "--root=/r --log /l --log-format=json --rootless auto --systemd-cgroup=false create --bundle /b \
                --pid-file p --console-socket s --no-new-keyring --preserve-fds 2 c1";
    let Command::Create(request) = parse(line).unwrap() else { panic!("{line}") };
    assert_eq!(
        (request.id.as_str(), request.bundle.to_str(), request.new_keyring),
        ("c1", Some("/b"), false)
    );
    assert_eq!(request.inherited, InheritedFds { listen: 0, further: 2 });
    assert!(matches!(parse("delete c1 --force").unwrap(), Command::Delete { force: true, .. }));
    let Command::Kill(request) = parse("kill --all c1 9").unwrap() else { panic!("kill") };
    assert_eq!((request.signal.number(), request.all), (9, true));
    let Command::Kill(request) = parse("kill c1").unwrap() else { panic!("kill") };
    assert_eq!(request.signal.number(), 15);
    let Command::Exec(request) = parse("exec -t -u 7:8 -e A=b -g 5 -c CAP_KILL c1 ls -l --all").unwrap()
    else {
        panic!("exec")
    };
    let ExecProcess::Command(command) = request.process else { panic!("a command") };
    assert_eq!(command.args, ["ls", "-l", "--all"]);
    assert_eq!((command.user, command.additional_gids), (Some((7, Some(8))), vec![5]));
    assert!(matches!(parse("exec -p f -d --pid-file x c1").unwrap(), Command::Exec(_)));
    let from = |line: &str| match parse(line).unwrap() {
        Command::Update { from, .. } => from,
        other => panic!("{other:?}"),
    };
    assert_eq!(from("update --resources - c1"), Changes::Stdin);
    assert_eq!(from("update -r /f c1"), Changes::File("/f".into()));
    let Changes::Options(options) = from("update --memory 1m --memory-swap -1 --pids-limit 7 c1") else {
        panic!()
    };
    assert_eq!((&options["memory"]["limit"], &options["memory"]["swap"]), (&(1 << 20).into(), &(-1).into()));
    assert_eq!((&options["pids"]["limit"], options.get("cpu")), (&7.into(), None));
    let Command::Events(request) = parse("events --interval 100ms c1").unwrap() else { panic!("events") };
    assert_eq!(request.until, EventsUntil::End { interval: std::time::Duration::from_millis(100) });
}

#[test]
fn containers_of_a_user_lie_in_the_directory_of_the_user() {
    let mut user = Fixed::default();
    user.vars.insert("XDG_RUNTIME_DIR", "/run/user/7");
    let root = |line: &str| {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        global::parse(&args, &user).unwrap().0.root
    };
    assert_eq!(root("--rootless true list").to_str(), Some("/run/user/7/coracle/runtime"));
    assert_eq!(root("--rootless=false list").to_str(), Some("/run/coracle/runtime"));
    assert_eq!(root("--root r --rootless=true list").to_str(), Some("/home/me/r"));
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    for (line, named) in [
        ("--systemd-cgroup list", "--systemd-cgroup"),
        ("--criu x list", "--criu"),
        ("--log-format xml list", "xml"),
        ("--bogus list", "--bogus"),
        ("create --no-pivot c", "--no-pivot"),
        ("run --bogus c", "--bogus"),
        ("exec -u root c true", "root"),
        ("kill c FOO", "FOO"),
        ("ps c aux", "aux"),
        ("checkpoint c", "checkpoint"),
        ("restore c", "restore"),
        ("update --l3-cache-schema x c", "--l3-cache-schema"),
        ("update --memory much c", "much"),
        ("update", "requires at least 1 argument"),
        ("events --interval 0 c", "--interval"),
        ("strat c", "did you mean 'coracle runtime start'"),
        ("state", "requires at least 1 argument"),
        ("state a b", "too many arguments: b"),
        ("list -f yaml", "yaml"),
    ] {
        let failure = refused(line);
        assert_eq!(failure.code, 1, "{line}");
        assert!(failure.render().contains(named), "{line}: {}", failure.render());
    }
}
