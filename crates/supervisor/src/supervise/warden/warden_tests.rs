//! Elections among wardens of one process: locks belong to open files, so that they exclude each other there too.
#![allow(clippy::disallowed_methods, reason = "tests may write files")]

use std::fs;

use rustix::event::epoll::CreateFlags;

use super::*;
use crate::resolver::ResolverConfig;

fn network(run_root: &Path, bridged: bool) -> NetworkJob {
    let rules = network::BridgeRules {
        bridge: "co-test".into(),
        internal: false,
        between: true,
        masquerade: true,
        subnets: vec![],
    };
    let link = match bridged {
        true => Link::Bridge { host_interface: "crc0".into(), rules },
        false => Link::Macvlan { parent: "eth0".into(), mode: network::MacvlanMode::Bridge },
    };
    let endpoint = network::Endpoint {
        container_id: "c".into(),
        network_id: "n".into(),
        network: "n".into(),
        names: vec![],
        link,
        interface: "eth0".into(),
        mac: "02:00:00:00:00:01".parse().unwrap(),
        addresses: vec![],
        gateways: vec![],
        mtu: None,
    };
    NetworkJob {
        run_root: run_root.to_owned(),
        endpoints: vec![endpoint],
        ports: vec![],
        resolver: ResolverConfig::default(),
        names: false,
    }
}

fn queue() -> OwnedFd {
    epoll::create(CreateFlags::CLOEXEC).unwrap()
}

/// Serves what comes, for so long.
fn serve(warden: &mut Warden, epoll: &OwnedFd, time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        let mut events = Vec::with_capacity(4);
        let wait = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
        epoll::wait(epoll, rustix::buffer::spare_capacity(&mut events), Some(&wait)).unwrap();
        for event in events {
            let Source::Warden(event) = Source::of(event.data) else { panic!("something else") };
            warden.handle(event, epoll);
        }
    }
}

#[test]
fn one_is_elected_and_the_next_when_it_goes() {
    let temp = tempfile::tempdir().unwrap();
    let (first_queue, second_queue) = (queue(), queue());
    let mut first = Warden::candidate(&network(temp.path(), true), &first_queue).unwrap();
    assert!(first.timer.is_some() && !temp.path().join(LOCK).exists(), "too young");
    first.handle(Event::Time, &first_queue);
    assert!(matches!(first.role, Role::Warden { .. }));
    let text = fs::read(temp.path().join(WARDEN)).unwrap();
    assert_eq!(parse(&text).unwrap().0, std::process::id() as Pid);

    let mut second = Warden::candidate(&network(temp.path(), true), &second_queue).unwrap();
    second.handle(Event::Time, &second_queue);
    assert!(matches!(second.role, Role::Follower { .. }) && second.timer.is_none());
    // It is not the one that has ended.
    second.handle(Event::Ended, &second_queue);
    assert!(matches!(second.role, Role::Follower { .. }));
    drop(first);
    second.handle(Event::Ended, &second_queue);
    assert!(matches!(second.role, Role::Warden { .. }));
}

#[test]
fn a_holder_that_cannot_be_found_is_looked_for_again_and_again() {
    let temp = tempfile::tempdir().unwrap();
    let lock = Lock::try_exclusive(Dir::open(temp.path()).unwrap(), LOCK).unwrap().unwrap();
    for text in ["", "x y", "1", "2147483647 5", &format!("{} 1", std::process::id())] {
        fs::write(temp.path().join(WARDEN), text).unwrap();
        assert!(matches!(elect(temp.path()).unwrap(), Elected::Unknown), "{text}");
    }
    let queue = queue();
    let mut warden = Warden::candidate(&network(temp.path(), true), &queue).unwrap();
    warden.handle(Event::Time, &queue);
    let before = Instant::now();
    serve(&mut warden, &queue, Duration::from_millis(120));
    let Role::Candidate { next_pause } = warden.role else { panic!("{warden:?}") };
    assert!(next_pause > RETRY && next_pause <= RETRY_MAX && before.elapsed() < Duration::from_secs(1));
    drop(lock);
    serve(&mut warden, &queue, Duration::from_millis(400));
    assert!(matches!(warden.role, Role::Warden { .. }));
}

#[test]
fn only_bridges_need_one() {
    let temp = tempfile::tempdir().unwrap();
    assert!(Warden::candidate(&network(temp.path(), false), &queue()).is_none());
}

#[test]
fn faults_are_told_and_taken_back() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join(FAULTS);
    let fault =
        |what: &str, remedy: Option<&str>| Fault { what: what.into(), remedy: remedy.map(Into::into) };
    publish(temp.path(), &[fault("a", None), fault("b", Some("do c"))]).unwrap();
    assert_eq!(fs::read_to_string(&file).unwrap(), "a\nb\tdo c\n");
    // Whoever becomes the warden looks at once, and finds all well.
    let queue = queue();
    let mut warden = Warden::candidate(&network(temp.path(), true), &queue).unwrap();
    warden.handle(Event::Time, &queue);
    assert!(file.exists());
    serve(&mut warden, &queue, Duration::from_millis(150));
    assert!(!file.exists());
}
