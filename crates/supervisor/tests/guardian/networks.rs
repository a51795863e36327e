//! Networks of containers as the care of their supervisors.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;

use network::{BridgeRules, Endpoint, HeldPort, Link, PortRule, Protocol};
use supervisor::status::{State, Status};
use supervisor::{Client, Event};

use super::boxes::{Root, Wanted, kill_process, until};

const STAY: &str = "exec /bin/busybox sleep 1000";

fn rule(host: &str, container: SocketAddr) -> PortRule {
    PortRule::new(Protocol::Tcp, host.parse().unwrap(), container)
}

fn hold(root: &Root, rule: PortRule) -> network::Result<HeldPort> {
    network::hold(&root.state(), rule, "c")
}

/// A server that says one word, in the namespace of the test.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"word");
        }
    });
    address
}

fn ask(port: u16) -> String {
    let mut stream = TcpStream::connect(("::1", port)).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

pub(crate) fn a_port_outlives_its_supervisor_and_is_free_at_the_end() {
    let root = Root::new();
    let ports = vec![
        hold(&root, rule("127.0.0.1:0", "10.0.0.2:80".parse().unwrap())).unwrap(),
        hold(&root, rule("[::]:0", server())).unwrap(),
    ];
    let rules: Vec<_> = ports.iter().map(|held| held.rule).collect();
    let mut container = root.launch("c", Wanted { script: STAY.into(), ports, ..Wanted::default() });
    container.started();
    let port = rules[1].host.port();
    assert_eq!(ask(port), "word");

    let supervisor = container.status().supervisor;
    kill_process(supervisor);
    // Whoever asks meanwhile waits for the successor.
    assert_eq!(ask(port), "word");
    assert_ne!(container.status().supervisor, supervisor);
    for rule in &rules {
        assert!(hold(&root, *rule).is_err());
    }
    assert!(matches!(container.client.receive(), Event::Lost));
    container.client = Client::connect(&container.run_dir).unwrap();
    container.kill();
    assert_eq!(container.end().1, 137);
    // Who is told of the end may rely on it.
    for rule in &rules {
        hold(&root, *rule).unwrap();
    }
}

pub(crate) fn a_kill_while_it_clears_away_is_made_good() {
    let root = Root::new();
    let held = hold(&root, rule("127.0.0.1:0", "10.0.0.2:80".parse().unwrap())).unwrap();
    let again = held.rule;
    let wanted = Wanted { script: STAY.into(), ports: vec![held], ..Wanted::default() };
    let mut container = root.launch("c", wanted);
    container.started();
    root.state().publish_ports("c", &[again]).unwrap();
    let status = container.status();
    let process = status.open_process().unwrap();
    // As it is after the end was written down.
    Status { state: State::Exited, ..status.clone() }.save(&container.run_dir).unwrap();
    kill_process(status.supervisor);
    until("the guardian's end", || sys::process::try_wait_any().unwrap().is_some());
    hold(&root, again).unwrap();
    sys::process::signal(process.as_fd(), libc::SIGKILL).unwrap();
}

pub(crate) fn a_failed_start_gives_ports_back() {
    let root = Root::new();
    let held = hold(&root, rule("127.0.0.1:0", "10.0.0.2:80".parse().unwrap())).unwrap();
    let again = held.rule;
    fs::remove_file(root.path().join("root/bin/busybox")).unwrap();
    let wanted = Wanted { script: STAY.into(), ports: vec![held], ..Wanted::default() };
    let mut container = root.launch("c", wanted);
    let Event::Failed(report) = container.client.receive() else { panic!("it has started") };
    assert_eq!(report.code, 127);
    hold(&root, again).unwrap();
    assert_eq!(root.state().held().unwrap().len(), 1);
}

pub(crate) fn many_ports_do_not_change_the_program() {
    sys::process::set_rlimit(0, libc::RLIMIT_NOFILE as u32, 1024, 4096).unwrap();
    let root = Root::new();
    let container: SocketAddr = "10.0.0.2:80".parse().unwrap();
    // The engine's own limit is the engine's care.
    let ports: Vec<_> = (0..900).map(|_| hold(&root, rule("127.0.0.1:0", container)).unwrap()).collect();
    let rules: Vec<_> = ports.iter().map(|port| port.rule).collect();
    root.state().publish_ports("c", &rules).unwrap();
    let script = "ulimit -n; ulimit -Hn; /bin/busybox ls /proc/self/fd | /bin/busybox wc -l";
    let mut container = root.launch("c", Wanted { script: script.into(), ports, ..Wanted::default() });
    container.started();
    let guardian = container.status().guardian;
    let inherited = fs::read_dir(format!("/proc/{guardian}/fd")).map_or(900, Iterator::count);
    assert!(inherited >= 900, "{inherited}");
    assert_eq!(container.end(), ("1024\n4096\n4\n".into(), 0));
    assert_eq!(sys::process::rlimit(0, libc::RLIMIT_NOFILE as u32).unwrap(), (1024, 4096));
    assert_eq!(root.state().held().unwrap(), []);
}

fn endpoint(id: &str, host: u8) -> Endpoint {
    let rules = BridgeRules {
        bridge: "co-test".into(),
        internal: false,
        between: true,
        masquerade: true,
        subnets: vec!["10.9.0.1/24".parse().unwrap()],
    };
    Endpoint {
        container_id: id.into(),
        network_id: "n".into(),
        network: "n".into(),
        names: vec![],
        link: Link::Bridge { host_interface: network::host_interface(id, "n"), rules },
        interface: "eth0".into(),
        mac: format!("02:00:0a:09:00:{host:02x}").parse().unwrap(),
        addresses: vec![format!("10.9.0.{host}/24").parse().unwrap()],
        gateways: vec!["10.9.0.1".parse().unwrap()],
        mtu: None,
    }
}

pub(crate) fn the_next_supervisor_becomes_the_warden() {
    let root = Root::new();
    let warden = || {
        let text = fs::read_to_string(root.path().join("warden")).ok()?;
        text.split_once(' ')?.0.parse::<i32>().ok()
    };
    let mut containers: Vec<_> = [("a", 2), ("b", 3), ("c", 4)]
        .into_iter()
        .map(|(id, host)| {
            let endpoints = vec![endpoint(id, host)];
            root.launch(id, Wanted { script: STAY.into(), endpoints, ..Wanted::default() })
        })
        .collect();
    containers.iter_mut().for_each(|container| container.started());
    let supervisors =
        || -> Vec<i32> { [0, 1, 2].iter().map(|place| containers[*place].status().supervisor).collect() };
    until("a warden", || warden().is_some());
    // Ended by a kill, which its successor in the container does not make good at once.
    let first = warden().unwrap();
    assert!(supervisors().contains(&first));
    kill_process(first);
    until("another warden", || warden().is_some_and(|next| next != first));
    let second = warden().unwrap();
    until("it is one of them", || supervisors().contains(&second));
    // Ended with its container.
    let place = supervisors().iter().position(|supervisor| *supervisor == second).unwrap();
    containers[place].kill();
    until("a third warden", || warden().is_some_and(|next| next != second));
    let third = warden().unwrap();
    assert!(supervisors().contains(&third));
    for place in [0, 1, 2] {
        if containers[place].status().state == State::Running {
            containers[place].kill();
        }
    }
    until("all have gone", || !std::path::Path::new(&format!("/proc/{third}")).exists());
}
